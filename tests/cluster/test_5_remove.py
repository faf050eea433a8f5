"""Uninstall leaves what it promises to leave, and the next install finds it."""

from __future__ import annotations

from kind_cluster import RELEASE, Cluster, until
from platform_user import PIPELINES, User

ROLES = ("owner", "consumer", "etl", "dataapi", "reader", "mlflow", "backup")


def left(cluster: Cluster, kind: str) -> set[str]:
    """Names of the release's objects of a kind."""
    found = cluster.get(kind, "-l", f"app.kubernetes.io/instance={RELEASE}")["items"]
    return {item["metadata"]["name"] for item in found}


def test_a_second_install_finds_its_data(cluster: Cluster, user: User, installed: dict[str, float]) -> None:
    """After uninstall and install, rows, versions, promotion records and tokens are the same, and the champion answers without a training."""
    before = user.closed_balance()
    champions = {pipeline: user.champion(pipeline) for pipeline in PIPELINES}
    token, stored = user.token("client"), user.stored_ids("breast-cancer")
    cluster.helm("uninstall", RELEASE, "--wait")

    assert {f"{RELEASE}-access", *(f"{RELEASE}-postgres-{role}" for role in ROLES)} <= left(cluster, "secret")
    assert {f"{RELEASE}-postgres"} == left(cluster, "cluster.postgresql.cnpg.io")
    assert {f"{RELEASE}-mlflow", f"{RELEASE}-backup", f"data-{RELEASE}-kafka-0"} <= left(cluster, "pvc")
    for kind in ("deployment", "statefulset", "cronjob", "job", "networkpolicy", "horizontalpodautoscaler", "validatingadmissionpolicy"):
        assert set() == left(cluster, kind), kind
    for kind in ("role", "rolebinding"):
        assert {f"{RELEASE}-postgres"} == left(cluster, kind), kind  # the operator's, for the Cluster that stays
    until("the pods are gone", lambda: {"postgres"} == _components(cluster), seconds=180)

    cluster.release()
    until("the champion answers", lambda: user.served() == champions["breast-cancer"], seconds=300, every=2)

    assert token == user.token("client")
    assert champions == {pipeline: user.champion(pipeline) for pipeline in PIPELINES}
    until("the data is there", lambda: stored <= user.stored_ids("breast-cancer"), seconds=60)
    after = user.balance()["rows"]
    assert {name: line["raw"] for name, line in before["rows"].items() if name != "breast-cancer"} == {
        name: line["raw"] for name, line in after.items() if name != "breast-cancer"
    }


def test_backup_runs(cluster: Cluster, installed: dict[str, float]) -> None:
    """The backup CronJob takes and verifies a snapshot of the registry."""
    until("the registry is back", lambda: cluster.ready("mlflow"), seconds=240)
    cluster.kubectl("create", "job", f"--from=cronjob/{RELEASE}-backup", "backup-1")

    assert "Complete" == cluster.job_done("backup-1", seconds=240)


def _components(cluster: Cluster) -> set[str]:
    pods = cluster.get("pods", "-l", f"app.kubernetes.io/instance={RELEASE}")["items"]
    return {
        pod["metadata"]["labels"]["app.kubernetes.io/component"] for pod in pods if pod["status"]["phase"] not in ("Succeeded", "Failed")
    }
