"""Under load: grow, shrink, and change without a failed request."""

from __future__ import annotations

import time

from kind_cluster import RELEASE, Cluster, until
from platform_user import BOOSTED, User


def replicas(cluster: Cluster) -> int:
    """Serving pods that are ready."""
    return len(cluster.ready("serving"))


def wanted(cluster: Cluster) -> int:
    """Serving pods that the autoscaler asks for."""
    return max(hpa["status"]["desiredReplicas"] for hpa in cluster.get("hpa")["items"])


def answers(cluster: Cluster, pod: str) -> float:
    """How many predictions a pod has answered with 200."""
    url = "http://127.0.0.1:8080/metrics"
    page = f"import urllib.request as u; print(u.urlopen('{url}').read().decode())"
    metrics = cluster.kubectl("exec", pod, "-c", "serving", "--", "python", "-c", page)
    lines = [
        line
        for line in metrics.splitlines()
        if line.startswith("mlplatform_serving_requests_total{") and 'code="200"' in line
    ]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def test_serving_grows_and_shrinks(
    cluster: Cluster, user: User, installed: dict[str, float]
) -> None:
    """Load brings serving from one pod to three, its end brings it back to one.

    How soon the autoscaler reacts is printed: the CPU is measured every 10 s, two measurements
    may be needed, and it looks every 5 s (k8s/kind.yaml, k8s/operators/install.sh). The new pods
    get a part of the load, although every connection is kept. No request fails on the way.
    """
    until("one pod", lambda: replicas(cluster) == 1, seconds=180, every=3)
    with user.load(workers=5, per_second=200, rows=5) as heavy:
        began = time.monotonic()
        until("the autoscaler reacts", lambda: wanted(cluster) > 1, seconds=90, every=0.5)
        print(f"\n  the autoscaler reacted after {time.monotonic() - began:.0f} s")
        until("three pods", lambda: replicas(cluster) == 3, seconds=240, every=2)
        # A connection is kept for 75 s at most.
        until(
            "answers by every pod",
            lambda: all(answers(cluster, pod) for pod in cluster.ready("serving")),
            seconds=240,
            every=5,
        )
        heavy.stop()
        with user.load(workers=2, per_second=4) as light:
            until(
                "one pod again",
                lambda: replicas(cluster) == 1 and len(cluster.pods("serving")) == 1,
                seconds=300,
                every=3,
            )

    assert [] == heavy.failed()[:3]
    assert [] == light.failed()[:3]


def test_a_retraining_by_kubectl_replaces_the_champion(
    cluster: Cluster, user: User, installed: dict[str, float]
) -> None:
    """`kubectl create job --from=cronjob/…` trains on the standby's data and ends with a champion.

    The new champion answers without a gap.
    """
    before = user.champion("breast-cancer")
    with user.load(per_second=6) as load:
        assert "Complete" == user.retrain("breast-cancer", "retrain-1")
        after = user.champion("breast-cancer")
        until("the new version answers", lambda: user.served() == after, seconds=30, every=0.5)

    assert int(after) > int(before)
    assert [] == load.failed()[:3]


def test_the_data_api_starts_the_same_run(
    user: User, cluster: Cluster, installed: dict[str, float]
) -> None:
    """POST /v1/pipelines/{name}/runs makes a Job from the CronJob, which ends well.

    The same key gives the same run; its record tells the steps and the version.
    """
    with user.dataapi() as client:
        run = client.start_run("diabetes", reason="the cluster test", key="cluster-test")
        again = client.start_run("diabetes", reason="the cluster test", key="cluster-test")

    assert run.id == again.id
    assert "Complete" == cluster.job_done(run.job, seconds=300)
    with user.dataapi() as client:
        ended = client.run("diabetes", run.id, wait_s=10)
    assert ("succeeded", 0, "propose") == (ended.state, ended.exit_code, ended.step)
    assert ended.version


def test_upgrade_under_load(cluster: Cluster, user: User, installed: dict[str, float]) -> None:
    """`helm upgrade` replaces every process of ours while requests come in, and none fails.

    Serving gets its small image.
    """
    before = {
        pod["metadata"]["name"]
        for component in ("serving", "dataapi", "consumer", "etl")
        for pod in cluster.pods(component)
    }
    with user.load(per_second=15) as load:
        cluster.release("--set", "settings.telemetry.log_level=warning,serving.sklearn=false")
        cluster.rolled_out()
        until("old pods are gone", lambda: not before & _names(cluster), seconds=180, every=2)

    assert [] == load.failed()[:3]
    user.closed_balance()
    assert load.ids() <= user.stored_ids("breast-cancer")


def test_rollback_by_helm(cluster: Cluster, user: User, installed: dict[str, float]) -> None:
    """`helm rollback` brings back what was before, again without a failed request."""
    with user.load(per_second=8) as load:
        cluster.helm("rollback", RELEASE)
        cluster.rolled_out()

    assert [] == load.failed()[:3]
    assert "log_level: warning" not in cluster.helm("get", "values", RELEASE)


def test_rollback_of_a_model(user: User, installed: dict[str, float]) -> None:
    """The previous version answers again within seconds of its record."""
    now = user.champion("breast-cancer")
    with user.dataapi() as client:
        previous = client.model_status("breast-cancer").previous.version
        client.decide("breast-cancer", "rollback", why="the cluster test")
    until("the previous version answers", lambda: user.served() == previous, seconds=30, every=0.5)

    assert previous != now


def test_a_booster_trains_serves_and_rolls_back(
    cluster: Cluster, user: User, installed: dict[str, float]
) -> None:
    """A version that LightGBM trained answers the same in a new pod and after a rollback.

    The trainer's image holds the library; serving's has none.
    """
    user.import_history(BOOSTED)
    assert "Complete" == user.retrain(BOOSTED, "first-late-boosted")
    until("the booster answers", lambda: user.served(BOOSTED), seconds=60, every=0.5)
    first, answers = user.probabilities(BOOSTED)
    cluster.kubectl("delete", "pod", "-l", "app.kubernetes.io/component=serving")
    until("a new pod answers", lambda: user.served(BOOSTED), seconds=120, every=0.5)
    assert (first, answers) == user.probabilities(BOOSTED)

    assert "Complete" == user.retrain(BOOSTED, "second-late-boosted")
    second = user.champion(BOOSTED)
    until("the second version answers", lambda: user.served(BOOSTED) == second, seconds=30)
    with user.dataapi() as client:
        client.decide(BOOSTED, "rollback", why="the cluster test")
    until("the first answers again", lambda: user.served(BOOSTED) == first, seconds=30)

    assert first != second
    assert answers == user.probabilities(BOOSTED)[1]


def test_a_value_that_makes_no_sense_changes_nothing(
    cluster: Cluster, installed: dict[str, float]
) -> None:
    """A refused upgrade says why and leaves the release as it was."""
    revision = cluster.helm("history", RELEASE)
    said = cluster.release("--set", "consumer.replicas=99", check=False)

    assert (
        "consumer.replicas: 99 pods share 6 partitions (settings.queue.partitions); the "
        "rest would be idle"
    ) in said
    assert revision == cluster.helm("history", RELEASE)


def _names(cluster: Cluster) -> set[str]:
    return {pod["metadata"]["name"] for pod in cluster.get("pods")["items"]}
