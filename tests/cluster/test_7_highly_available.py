"""The profile where nothing runs once, on three nodes: `make kind-test NODES=3`.

Not part of the usual run. Three brokers, two Clusters of three servers with synchronous standbys,
two serving Deployments.
"""

from __future__ import annotations

import os

import pytest
from kind_cluster import HA, RELEASE, Cluster, until
from platform_user import PIPELINES, User

pytestmark = pytest.mark.skipif(os.environ.get("NODES", "1") != "3", reason="needs NODES=3")


@pytest.fixture(scope="module")
def ha(cluster: Cluster, user: User) -> None:
    """The release, made anew from the profile, with history and first versions of one group."""
    cluster.helm("uninstall", RELEASE, "--wait", "--ignore-not-found")
    cluster.kubectl(
        "delete",
        "job,cluster.postgresql.cnpg.io,secret,pvc",
        "-l",
        f"app.kubernetes.io/instance={RELEASE}",
        "--timeout=180s",
    )
    cluster.kubectl(
        "taint", "nodes", "--all", "node-role.kubernetes.io/control-plane-", check=False
    )  # the third node
    cluster.release(values=HA)
    cluster.healthy_database(seconds=600)
    for component, pods in {
        "kafka": 3,
        "dataapi": 2,
        "consumer": 3,
        "etl": 2,
        "mlflow": 1,
        "source": 1,
    }.items():
        until(
            f"{component} is ready",
            lambda component=component, pods=pods: len(cluster.ready(component)) == pods,
            seconds=480,
        )
    for pipeline in PIPELINES:
        until(
            f"{pipeline} is imported",
            lambda pipeline=pipeline: user.import_history(pipeline) or True,
            seconds=180,
        )
    assert "Complete" == user.retrain("breast-cancer", "ha-breast-cancer")
    assert "Complete" == user.retrain("late-delivery", "ha-late-delivery")
    with user.dataapi() as client:
        version = client.model_status("late-delivery").candidate.version
        client.decide("late-delivery", "approve", version=version, why="its report is good")
    until("serving answers", user.served, seconds=240)
    until("all of it serves", lambda: len(cluster.ready("serving")) == 3, seconds=240)


@pytest.mark.timeout(2400)
def test_each_group_keeps_its_promises(cluster: Cluster, ha: None) -> None:
    """`helm test` asks each serving Deployment for its own pipelines."""
    said = cluster.helm("test", RELEASE, "--logs", "--timeout", "5m")

    assert "breast-cancer answers: version 1" in said
    assert "late-delivery answers: version 1" in said
    assert "failed " not in said


@pytest.mark.timeout(900)
def test_a_lost_broker_stops_nothing(cluster: Cluster, user: User, ha: None) -> None:
    """With one of three brokers killed, requests reach the database: two copies are enough."""
    stored = len(user.stored_ids("breast-cancer"))
    with user.load(per_second=10) as load:
        cluster.kubectl("delete", "pod", f"{RELEASE}-kafka-0", "--grace-period=0", "--force")
        until(
            "requests arrive",
            lambda: len(user.stored_ids("breast-cancer")) > stored + 50,
            seconds=120,
        )
        until("the broker is back", lambda: len(cluster.ready("kafka")) == 3, seconds=240)

    assert [] == load.failed()[:3]
    user.closed_balance()
    assert load.ids() <= user.stored_ids("breast-cancer")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", [f"{RELEASE}-raw", f"{RELEASE}-postgres"])
def test_a_lost_primary_loses_no_commit(cluster: Cluster, user: User, ha: None, name: str) -> None:
    """The primary of the raw rows, then of the warehouse, is killed under load.

    A synchronous standby takes over and the balance closes.
    """
    primary = cluster.primary(name)
    with user.load(per_second=10) as load:
        cluster.kubectl("delete", "pod", primary, "--grace-period=0", "--force")
        until("a standby takes over", lambda: cluster.primary(name) != primary, seconds=180)

    assert [] == load.failed()[:3]
    cluster.healthy_database(seconds=300)
    user.closed_balance()
    assert load.ids() <= user.stored_ids("breast-cancer")
