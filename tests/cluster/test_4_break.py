"""Things are killed while requests come in.

What was answered with 200 is in the data afterwards.
"""

from __future__ import annotations

import time

import pytest
from kind_cluster import Cluster, until
from platform_user import User

from mlplatform.errors import PlatformError

COMPONENTS = ("consumer", "etl", "dataapi", "mlflow", "source", "kafka", "serving")


def test_every_pod_deleted_once(cluster: Cluster, user: User, installed: dict[str, float]) -> None:
    """Each component loses its pods once under load: nothing that was answered is lost.

    The balance closes afterwards.
    """
    with user.load(per_second=10) as load:
        for component in COMPONENTS:
            pods = cluster.pods(component)
            gone = {pod["metadata"]["uid"] for pod in pods}
            cluster.kubectl(
                "delete", "pod", *(pod["metadata"]["name"] for pod in pods), "--wait=false"
            )
            until(
                f"{component} is back",
                lambda component=component, gone=gone: cluster.ready_uids(component) - gone,
                seconds=240,
                every=2,
            )

    cluster.rolled_out()
    user.closed_balance()
    assert len(load.ids()) > 100
    assert load.ids() <= user.stored_ids("breast-cancer")


def test_broker_away_costs_no_request(
    cluster: Cluster, user: User, installed: dict[str, float]
) -> None:
    """While Kafka is gone altogether, every request is answered.

    All of them arrive when it is back.
    """
    cluster.kubectl("scale", "statefulset/mlplatform-kafka", "--replicas=0")
    until(
        "no broker",
        lambda: not cluster.get("pods", "-l", "app.kubernetes.io/component=kafka")["items"],
        seconds=120,
    )
    with user.load(per_second=10) as load:
        time.sleep(15)  # the length of the outage, not a wait for anything
    cluster.kubectl("scale", "statefulset/mlplatform-kafka", "--replicas=1")
    until("the broker is back", lambda: cluster.ready("kafka"), seconds=180)

    assert [] == load.failed()[:3]
    user.closed_balance()
    assert load.ids() <= user.stored_ids("breast-cancer")


def test_primary_killed(cluster: Cluster, user: User, installed: dict[str, float]) -> None:
    """The operator promotes the standby; requests go on, writes resume.

    Every read meanwhile is refused or comes from a standby.
    """
    cluster.healthy_database()
    primary = cluster.primary()
    receipts, refusals = [], []
    with user.load(per_second=10) as load:
        cluster.kubectl("delete", "pod", primary, "--grace-period=0", "--force")
        begun = time.monotonic()
        while time.monotonic() - begun < 20 or cluster.primary() == primary:
            assert time.monotonic() - begun < 180, "no failover"
            try:
                receipts.append(user.receipt("breast-cancer"))
            except PlatformError as error:
                refusals.append(str(error))
            time.sleep(0.5)
    print(f"\n  failover: {len(receipts)} reads from a standby, {len(refusals)} refused")

    assert cluster.primary() != primary
    assert [] == load.failed()[:3]
    assert {"standby"} >= {receipt.server_role for receipt in receipts}
    assert refusals, (
        "for a moment there was no standby, and a read must not fall back to the primary"
    )
    cluster.healthy_database(seconds=300)
    user.closed_balance()
    assert load.ids() <= user.stored_ids("breast-cancer")


def test_training_after_failover(user: User, installed: dict[str, float]) -> None:
    """With the servers' roles changed, a training reads from the new standby and ends well."""
    until("a standby answers", lambda: user.receipt("breast-cancer"), seconds=120)

    assert "Complete" == user.retrain("breast-cancer", "after-failover")


@pytest.mark.timeout(900)
def test_serving_starts_while_data_api_and_registry_are_away(
    cluster: Cluster, user: User, installed: dict[str, float]
) -> None:
    """A serving container that restarts answers with the last good model from its disk.

    Nothing else could name the version to it.
    """
    version = user.served()
    for name in ("dataapi", "mlflow"):
        cluster.kubectl("scale", f"deployment/mlplatform-{name}", "--replicas=0")
        until(f"no {name}", lambda name=name: not cluster.pods(name), seconds=120)
    pod = cluster.ready("serving")[0]
    cluster.kubectl(
        "exec",
        pod,
        "-c",
        "serving",
        "--",
        "python",
        "-c",
        "import os, signal; os.kill(1, signal.SIGTERM)",
    )
    until("the container was restarted", lambda: _restarts(cluster, pod) > 0, seconds=120)
    until("it answers", lambda: user.served() == version, seconds=120)
    for name in ("dataapi", "mlflow"):
        cluster.kubectl("scale", f"deployment/mlplatform-{name}", "--replicas=1")
    cluster.rolled_out()

    assert version == user.served()


def _restarts(cluster: Cluster, pod: str) -> int:
    states = cluster.get("pod", pod)["status"]["containerStatuses"]
    return next(int(state["restartCount"]) for state in states if state["name"] == "serving")
