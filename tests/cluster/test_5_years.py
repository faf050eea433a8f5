"""After all that was done to the release: records are proven, and what is past its days goes."""

from __future__ import annotations

import json

from kind_cluster import RELEASE, Cluster, until
from platform_user import User

FOUND = 3
"""The exit code when a record is not what was recorded."""


def test_the_chains_of_all_pods_close(user: User, installed: dict[str, float]) -> None:
    """Killed pods, failovers, a lost volume and an upgrade changed no record."""
    user.closed_balance()
    found = user.command("audit", "verify")

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
    until("it is named", lambda: FOUND == user.command("audit", "verify").returncode, seconds=60)
    found = json.loads(user.command("audit", "verify", "--json").stdout)["outboxes"]
    as_owner(cluster, change.format(f"'{version}'", request_id))

    assert [(outbox_id, int(number), int(number), "changed")] == [
        (each["outbox_id"], each["first"], each["last"], each["kind"])
        for box in found
        for each in box["findings"]
    ]
    until("all is right", lambda: 0 == user.command("audit", "verify").returncode, seconds=60)


def test_a_run_of_the_cron_job_removes_nothing_that_is_young(
    cluster: Cluster, user: User, installed: dict[str, float]
) -> None:
    """The Job that the schedule makes, made by hand: it ends well, and the balance stays closed."""
    before = user.closed_balance()
    cluster.kubectl("create", "job", f"--from=cronjob/{RELEASE}-retention", "retention-1")

    assert "Complete" == cluster.job_done("retention-1", seconds=180)
    assert before.requests == user.closed_balance().requests
