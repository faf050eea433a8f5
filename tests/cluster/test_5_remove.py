"""Uninstall leaves what it promises to leave, and the next install finds it."""

from __future__ import annotations

import pytest
from kind_cluster import RELEASE, ROOT, Cluster, until
from platform_user import PIPELINES, User

ROLES = ("owner", "consumer", "etl", "dataapi", "reader", "mlflow", "backup")


def left(cluster: Cluster, kind: str) -> set[str]:
    """Names of the release's objects of a kind."""
    found = cluster.get(kind, "-l", f"app.kubernetes.io/instance={RELEASE}")["items"]
    return {item["metadata"]["name"] for item in found}


def test_a_second_install_finds_its_data(
    cluster: Cluster, user: User, installed: dict[str, float]
) -> None:
    """After uninstall and install, rows, versions, promotion records and tokens are the same.

    The champion answers without a training.
    """
    before = user.closed_balance()
    champions = {pipeline: user.champion(pipeline) for pipeline in PIPELINES}
    token, stored = user.token("client"), user.stored_ids("breast-cancer")
    cluster.helm("uninstall", RELEASE, "--wait")

    assert {f"{RELEASE}-access", *(f"{RELEASE}-postgres-{role}" for role in ROLES)} <= left(
        cluster, "secret"
    )
    assert {f"{RELEASE}-postgres"} == left(cluster, "cluster.postgresql.cnpg.io")
    assert {f"{RELEASE}-mlflow", f"{RELEASE}-backup", f"data-{RELEASE}-kafka-0"} <= left(
        cluster, "pvc"
    )
    for kind in (
        "deployment",
        "statefulset",
        "cronjob",
        "job",
        "networkpolicy",
        "horizontalpodautoscaler",
        "validatingadmissionpolicy",
    ):
        assert set() == left(cluster, kind), kind
    for kind in ("role", "rolebinding"):
        assert {f"{RELEASE}-postgres"} == left(cluster, kind), (
            kind
        )  # the operator's, for the Cluster that stays
    until("the pods are gone", lambda: {"postgres"} == _components(cluster), seconds=180)

    cluster.release()
    until(
        "the champion answers",
        lambda: user.served() == champions["breast-cancer"],
        seconds=300,
        every=2,
    )

    assert token == user.token("client")
    assert champions == {pipeline: user.champion(pipeline) for pipeline in PIPELINES}
    until("the data is there", lambda: stored <= user.stored_ids("breast-cancer"), seconds=60)
    after = user.balance().rows
    assert {name: line.raw for name, line in before.rows.items() if name != "breast-cancer"} == {
        name: line.raw for name, line in after.items() if name != "breast-cancer"
    }


def test_backup_runs(cluster: Cluster, installed: dict[str, float]) -> None:
    """The backup CronJob takes and verifies a snapshot of the registry."""
    until("the registry is back", lambda: cluster.ready("mlflow"), seconds=240)
    cluster.kubectl("create", "job", f"--from=cronjob/{RELEASE}-backup", "backup-1")

    assert "Complete" == cluster.job_done("backup-1", seconds=240)


@pytest.mark.timeout(900)
def test_the_registry_comes_back(cluster: Cluster, user: User, installed: dict[str, float]) -> None:
    """With MLflow's rows and files lost, the documented Job brings the newest snapshot back.

    The champions' bytes are what was promoted.
    """
    versions = {pipeline: user.champion(pipeline) for pipeline in PIPELINES}
    cluster.kubectl("exec", cluster.ready("mlflow")[0], "--", "sh", "-c", "rm -rf /artifacts/*")
    cluster.kubectl("scale", f"deployment/{RELEASE}-mlflow", "--replicas=0")
    until("no mlflow", lambda: not cluster.pods("mlflow"), seconds=120)
    lose = (
        "drop owned by mlplatform_mlflow cascade; "
        "create schema if not exists public authorization mlplatform_mlflow;"
    )
    cluster.kubectl(
        "exec", cluster.primary(), "-c", "postgres", "--", "psql", "-d", "mlflow", "-c", lose
    )
    cluster.kubectl("scale", f"deployment/{RELEASE}-mlflow", "--replicas=1")
    until("an empty mlflow", lambda: cluster.ready("mlflow"), seconds=240)
    job = (
        (ROOT / "k8s" / "examples" / "restore-registry.yaml")
        .read_text()
        .replace("image: mlplatform:0.1.0", f"image: {cluster.image()}")
    )
    name = (
        cluster.kubectl("create", "-o", "name", "-f", "-", given=job)
        .strip()
        .removeprefix("job.batch/")
    )

    assert "Complete" == cluster.job_done(name, seconds=240), cluster.kubectl("logs", f"job/{name}")
    assert versions == {pipeline: user.champion(pipeline) for pipeline in PIPELINES}
    assert "Complete" == user.retrain("diabetes", "after-restore")
    said = cluster.helm("test", RELEASE, "--logs", "--timeout", "3m")
    assert "failed " not in said
    assert "the stored model is the one that was promoted" in said


def _components(cluster: Cluster) -> set[str]:
    pods = cluster.get("pods", "-l", f"app.kubernetes.io/instance={RELEASE}")["items"]
    return {
        pod["metadata"]["labels"]["app.kubernetes.io/component"]
        for pod in pods
        if pod["status"]["phase"] not in ("Succeeded", "Failed")
    }
