"""After all that was done to the release: records are proven, and what is past its days goes."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from kind_cluster import RELEASE, Cluster, until
from platform_user import DATAAPI, User

FOUND = 3
"""The exit code when a record is not what was recorded."""


def cli(user: User, *words: str) -> subprocess.CompletedProcess[str]:
    """A command of ours on the release, as somebody types it who has a token."""
    named = {"MLPLATFORM_DATAAPI__URL": DATAAPI, "MLPLATFORM_DATAAPI__TOKEN": user.token("admin")}
    return subprocess.run(
        [sys.executable, "-m", "mlplatform", *words],
        env=os.environ | named,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_the_chains_of_all_pods_close(user: User, installed: dict[str, float]) -> None:
    """Killed pods, failovers, a lost volume and an upgrade changed no record."""
    user.closed_balance()
    found = cli(user, "audit", "verify")

    assert (0, "") == (found.returncode, found.stderr), found.stdout
    assert "everything is what was recorded" in found.stdout


def as_owner(cluster: Cluster, statement: str) -> str:
    """What a statement says on the primary, run as the databases' superuser."""
    words = ("-c", "postgres", "--", "psql", "-d", "raw", "-qtA", "-c", statement)
    return cluster.kubectl("exec", cluster.primary(), *words).strip()


def test_a_changed_record_is_named(
    cluster: Cluster, user: User, installed: dict[str, float]
) -> None:
    """By outbox and number, and nothing else; changed back, all is right again."""
    change = "UPDATE raw.requests SET version = {} WHERE request_id = '{}'"
    request_id, outbox_id, number, version = as_owner(
        cluster,
        "SELECT request_id, outbox_id, sequence, version FROM raw.requests "
        "WHERE digest IS NOT NULL ORDER BY request_id DESC OFFSET 9 LIMIT 1",
    ).split("|")
    as_owner(cluster, change.format("version || '1'", request_id))
    until("it is named", lambda: FOUND == cli(user, "audit", "verify").returncode, seconds=60)
    found = json.loads(cli(user, "audit", "verify", "--json").stdout)["outboxes"]
    as_owner(cluster, change.format(f"'{version}'", request_id))

    assert [(outbox_id, int(number), int(number), "changed")] == [
        (each["outbox_id"], each["first"], each["last"], each["kind"])
        for box in found
        for each in box["findings"]
    ]
    until("all is right", lambda: 0 == cli(user, "audit", "verify").returncode, seconds=60)


def test_a_run_of_the_cron_job_removes_nothing_that_is_young(
    cluster: Cluster, user: User, installed: dict[str, float]
) -> None:
    """The Job that the schedule makes, made by hand: it ends well, and the balance stays closed."""
    before = user.closed_balance()
    cluster.kubectl("create", "job", f"--from=cronjob/{RELEASE}-retention", "retention-1")

    assert "Complete" == cluster.job_done("retention-1", seconds=180)
    assert before.requests == user.closed_balance().requests
