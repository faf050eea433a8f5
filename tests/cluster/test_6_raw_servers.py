"""A running release grows to a second raw server, and that one loses its primary under load."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from kind_cluster import RELEASE, Cluster, until
from platform_user import User

SECOND = f"{RELEASE}-raw-2"
TWO = ("--set", "postgres.raw.shards=2")
LAG_S = 5.0
OLDEST = (
    "SELECT coalesce(extract(epoch FROM max(now() - newest)), 0) FROM ("
    "SELECT max(request.received_at) AS newest FROM raw.requests AS request "
    "JOIN raw.offsets AS place USING (topic, partition) WHERE place.ends_at IS NULL "
    "AND topic NOT LIKE 'import:%' AND topic NOT LIKE 'redrive:%' GROUP BY topic, partition) "
    "AS partitions"
)
"""Seconds since the newest stored request of the partition that is furthest behind."""


def shares(user: User) -> Counter[str]:
    """How many partitions each raw server stores."""
    with user.dataapi() as api:
        return Counter(place.shard for place in api.queue().places)


def psql(cluster: Cluster, primary: str, statement: str) -> str:
    """What a statement says on a primary of raw rows."""
    words = ("-c", "postgres", "--", "psql", "-d", "raw", "-qtA", "-c", statement)
    return cluster.kubectl("exec", primary, *words).strip()


@pytest.mark.timeout(900)
def test_a_running_release_grows(cluster: Cluster, user: User, installed: dict[str, float]) -> None:
    """Under load a second server is added and gets its share of the partitions.

    No request fails, and what was stored before and after is found.
    """
    before = user.stored_ids("breast-cancer")
    with user.load(per_second=20) as load:
        cluster.release(*TWO)
        until("each stores its share", lambda: len(shares(user)) == 2, seconds=400, every=2)
        grown = len(load.ids())
        until("more answers", lambda: len(load.ids()) > grown + 100, seconds=60)
    cluster.rolled_out()
    cluster.healthy_database()

    assert [] == load.failed()[:3]
    user.closed_balance()
    assert before | load.ids() <= user.stored_ids("breast-cancer")
    assert 0 < int(psql(cluster, cluster.primary(SECOND), "SELECT count(*) FROM raw.requests"))
    assert max(shares(user).values()) - min(shares(user).values()) <= 1


@pytest.mark.timeout(900)
def test_a_killed_second_primary_holds_up_its_own_partitions_only(
    cluster: Cluster, user: User, installed: dict[str, float]
) -> None:
    """Nothing is lost or stored twice; the first server's partitions stay within seconds."""
    here, primary = cluster.primary(), cluster.primary(SECOND)
    behind: list[float] = []
    with user.load(per_second=20) as load:
        until("answers", lambda: len(load.ids()) > 100, seconds=60)
        cluster.kubectl("delete", "pod", primary, "--grace-period=0", "--force")
        begun = time.monotonic()
        while time.monotonic() - begun < 20 or cluster.primary(SECOND) == primary:
            assert time.monotonic() - begun < 180, "no failover"
            behind.append(float(psql(cluster, here, OLDEST)))
            time.sleep(0.5)
    print(f"\n  the first server's partitions were at most {max(behind):.1f} s behind")
    cluster.healthy_database(seconds=300)
    sheet = user.closed_balance()

    assert [] == load.failed()[:3]
    assert load.ids() <= user.stored_ids("breast-cancer")
    assert [] == [box for box in sheet.outboxes if box.used_twice or box.surplus]
    assert max(behind) < LAG_S


@pytest.mark.timeout(900)
def test_two_servers_prove_and_train(user: User, installed: dict[str, float]) -> None:
    """The chains close over both, a read of raw rows proves both, and a training ends well."""
    until("both standbys answer", lambda: user.receipt("breast-cancer"), seconds=120)
    receipt = user.receipt("breast-cancer")
    proven = user.command("audit", "verify")

    assert (0, "") == (proven.returncode, proven.stderr), proven.stdout
    assert {"raw", "raw-2"} == {server.shard for server in receipt.servers}
    assert "Complete" == user.retrain("breast-cancer", "with-two-raw-servers")
