"""Outboxes on volumes of their own: what a lost pod had answered is sent by the next one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kind_cluster import RELEASE, Cluster, until
from platform_user import User

NAME = f"{RELEASE}-serving"
VOLUME = f"outbox-{NAME}-0"
KEPT = ("--set", "serving.outbox.volume=persistent", "--set", "serving.outbox.storage=1Gi")
ONE = ("--set", "serving.autoscaling.enabled=false", "--set", "serving.replicas=1")


@pytest.fixture(scope="module")
def kept(cluster: Cluster, user: User, installed: dict[str, float]) -> Iterator[None]:
    """The release with one serving pod that has a volume; as it was before at the end."""
    cluster.release(*KEPT, *ONE)
    until("the first pod answers", lambda: [f"{NAME}-0"] == cluster.ready("serving"), seconds=240)
    until("serving answers", user.served, seconds=120)
    yield
    cluster.release()
    until("no pod has a volume", lambda: f"{NAME}-0" not in cluster.ready("serving"), seconds=180)
    until("serving answers", user.served, seconds=240)
    cluster.kubectl("delete", "pvc", VOLUME, "--timeout=120s")


def kafka(cluster: Cluster, brokers: int) -> None:
    """Scale the one broker of the profile, and wait until that is so."""
    cluster.kubectl("scale", f"statefulset/{RELEASE}-kafka", f"--replicas={brokers}")
    until(f"{brokers} brokers", lambda: brokers == len(cluster.ready("kafka")), seconds=180)
    until("no other", lambda: brokers == len(cluster.pods("kafka")), seconds=120)


@pytest.mark.timeout(900)
def test_a_pod_lost_without_kafka_loses_no_answer(cluster: Cluster, user: User, kept: None) -> None:
    """Its volume holds what it answered, and the pod of the same number sends it."""
    kafka(cluster, 0)
    with user.load(per_second=20) as load:
        until("answers without Kafka", lambda: len(load.ids()) > 100, seconds=60)
        before = cluster.ready_uids("serving")
        cluster.kubectl("delete", "pod", f"{NAME}-0", "--grace-period=0", "--force")
        until("another pod", lambda: cluster.ready_uids("serving") - before, seconds=240)
        answered = len(load.ids())
        until("it answers too", lambda: len(load.ids()) > answered, seconds=120)
    kafka(cluster, 1)

    user.closed_balance()
    assert load.ids() <= user.stored_ids("breast-cancer")


@pytest.mark.timeout(900)
def test_what_a_pod_left_behind_is_sent_when_its_number_comes_back(
    cluster: Cluster, user: User, kept: None
) -> None:
    """Killed without Kafka and scaled away: missing in the balance until it is there again."""
    before = user.closed_balance()
    kafka(cluster, 0)
    with user.load(per_second=20) as load:
        until("answers without Kafka", lambda: len(load.ids()) > 50, seconds=60)
    cluster.kubectl("scale", f"statefulset/{NAME}", "--replicas=0")
    cluster.kubectl("delete", "pod", f"{NAME}-0", "--grace-period=0", "--force")
    until("no serving", lambda: not cluster.pods("serving"), seconds=120)
    kafka(cluster, 1)
    until("it is taken as lost", lambda: _missing(user), seconds=300, every=5)
    cluster.kubectl("scale", f"statefulset/{NAME}", "--replicas=1")
    until("serving answers", user.served, seconds=240)

    after = user.closed_balance()
    assert load.ids() <= user.stored_ids("breast-cancer")
    assert len(before.outboxes) == len(after.outboxes)


def _missing(user: User) -> bool:
    return any(outbox.missing for outbox in user.balance().outboxes)
