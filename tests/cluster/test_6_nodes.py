"""With three nodes, two of them can be lost one after the other.

`make kind-test NODES=3`; not part of the usual run.
"""

from __future__ import annotations

import os
import subprocess

import pytest
from kind_cluster import Cluster, until
from platform_user import Load, User

from mlplatform.contracts.balance import BalanceSheet

pytestmark = pytest.mark.skipif(os.environ.get("NODES", "1") != "3", reason="needs NODES=3")


def workers(cluster: Cluster) -> list[str]:
    """Nodes that are not the control plane and take pods."""
    found = cluster.get("nodes", "-l", "!node-role.kubernetes.io/control-plane")["items"]
    return sorted(
        node["metadata"]["name"] for node in found if not node["spec"].get("unschedulable")
    )


def node_of(cluster: Cluster, pod: str) -> str:
    """Where a pod runs."""
    return str(cluster.get("pod", pod)["spec"]["nodeName"])


@pytest.mark.timeout(900)
def test_a_drained_node_loses_no_request(
    cluster: Cluster, user: User, installed: dict[str, float]
) -> None:
    """`kubectl drain` of the node under serving: its pods drain their outboxes first.

    No request fails or is lost.
    """
    cluster.healthy_database()
    until("serving answers", user.served, seconds=240)
    cluster.release("--set", "serving.autoscaling.minReplicas=2")
    until("two pods", lambda: len(cluster.ready("serving")) == 2, seconds=180)
    node = next(
        name
        for name in (node_of(cluster, pod) for pod in cluster.ready("serving"))
        if name in workers(cluster)
    )
    with user.load(per_second=10) as load:
        cluster.kubectl(
            "drain",
            node,
            "--ignore-daemonsets",
            "--delete-emptydir-data",
            "--force",
            "--timeout=300s",
        )
        cluster.kubectl("uncordon", node)

    assert [] == load.failed()[:3]
    cluster.healthy_database(seconds=300)
    user.closed_balance()
    assert load.ids() <= user.stored_ids("breast-cancer")


def on_every_worker(cluster: Cluster) -> bool:
    """Whether each worker has a ready serving pod.

    If not, one of several on another node is made anew, and the scheduler spreads them.
    """
    places = {pod: node_of(cluster, pod) for pod in cluster.ready("serving")}
    bare = set(workers(cluster)) - set(places.values())
    if bare and len(places) > 1:
        cluster.kubectl("delete", "pod", next(iter(places)))
    return not bare


@pytest.mark.timeout(2400)
def test_a_stopped_node_is_what_the_balance_names(
    cluster: Cluster, user: User, installed: dict[str, float]
) -> None:
    """A node dies for good while the broker is away: database and service go on.

    The balance misses exactly what its outbox held.
    """
    cluster.release("--set", "serving.autoscaling.minReplicas=2")
    cluster.healthy_database()
    until("serving on every worker", lambda: on_every_worker(cluster), seconds=300, every=15)
    user.closed_balance()
    cluster.kubectl("scale", "statefulset/mlplatform-kafka", "--replicas=0")
    until(
        "no broker",
        lambda: not cluster.get("pods", "-l", "app.kubernetes.io/component=kafka")["items"],
        seconds=120,
    )
    primary = cluster.primary()
    node = node_of(cluster, primary)
    with user.load(per_second=20) as before:
        until("both pods have answered much", lambda: len(before.ids()) >= 200, seconds=60)
    assert [] == before.failed()[:3]
    until("the outboxes were heard of", lambda: _in_flight(user) == len(before.ids()), seconds=60)

    lost_pods = [pod for pod in cluster.ready("serving") if node_of(cluster, pod) == node]
    subprocess.run(["docker", "stop", "--time=0", node], check=True, capture_output=True)
    with user.load(per_second=5) as after:
        # Kubernetes moves the pods of a silent node after five minutes, and the database's operator
        # may be one of them.
        until("the database fails over", lambda: cluster.primary() != primary, seconds=600)
        until("the node's endpoints are out of use", lambda: _all_well(after), seconds=300)
    cluster.kubectl(
        "delete", "pod", *lost_pods, "--force", "--grace-period=0"
    )  # its volume is not to come back
    subprocess.run(["docker", "start", node], check=True, capture_output=True)
    cluster.kubectl("scale", "statefulset/mlplatform-kafka", "--replicas=1")
    cluster.healthy_database(seconds=420)
    sheet = until("only the lost outbox is open", lambda: _settled(user), seconds=420, every=5)
    lost = (before.ids() | after.ids()) - user.stored_ids("breast-cancer")
    named = {
        box.host: sum(last - first + 1 for first, last in box.missing)
        for box in sheet.outboxes
        if box.missing
    }
    print(
        f"\n  lost with the node: {len(lost)} of {len(before.ids()) + len(after.ids())} answered "
        f"requests; missing: {named}"
    )

    assert lost
    assert set(lost_pods) == set(named)
    assert len(lost) == sum(named.values())


def _in_flight(user: User) -> int:
    return sum(box.in_flight for box in user.balance().outboxes)


def _all_well(load: Load) -> bool:
    """The last 30 requests were answered."""
    return len(load.answers) > 100 and all(answer.code == 200 for answer in load.answers[-30:])


def _settled(user: User) -> BalanceSheet | None:
    """The balance, when nothing is on its way any more and something is missing."""
    sheet = user.balance()
    moving = any(box.in_flight for box in sheet.outboxes) or any(
        line.waiting for line in sheet.rows.values()
    )
    return sheet if not moving and any(box.missing for box in sheet.outboxes) else None
