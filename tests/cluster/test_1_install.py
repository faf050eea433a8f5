"""From nothing to a platform that answers."""

from __future__ import annotations

import subprocess

from kind_cluster import NAMESPACE, RELEASE, Cluster, Ended
from platform_user import BOOSTED, PIPELINES, User

SQL = "select 1"


def test_make_kind_ends_when_the_platform_can_be_used(ended: Ended) -> None:
    """Right after it everything but serving is ready, and the pipelines are applied."""
    assert [] == ended.late
    assert sorted((*PIPELINES, BOOSTED)) == sorted(ended.pipelines)


def test_installs_within_five_minutes(installed: dict[str, float]) -> None:
    """With images at hand, a release is ready for data less than five minutes after its install."""
    assert installed["everything but serving ready"] < 300


def test_helm_test_passes(cluster: Cluster, installed: dict[str, float]) -> None:
    """`helm test` proves that requests arrive, with a token that may predict, read and write."""
    said = cluster.helm("test", RELEASE, "--logs", "--timeout", "3m")

    assert "Succeeded" in said
    assert "failed " not in said
    assert "read from a standby" in said


def test_a_model_that_waits_for_a_person_is_not_served(
    user: User, cluster: Cluster, installed: dict[str, float]
) -> None:
    """With `approval: manual` a version is a candidate until somebody approves it."""
    assert "Complete" == user.retrain("late-delivery", "first-late-delivery")
    assert "" == user.champion("late-delivery")
    with user.dataapi() as client:
        version = client.model_status("late-delivery").candidate.version
        client.decide("late-delivery", "approve", version=version, why="its report is good")

    assert version == user.champion("late-delivery")


def test_the_primary_refuses_the_reader(cluster: Cluster, installed: dict[str, float]) -> None:
    """The reader's own password opens a session on -ro, and none on -rw.

    The login trigger says no, in each database.
    """
    password = cluster.secret(f"{RELEASE}-postgres-reader", "password")

    def connect(service: str, database: str) -> str:
        server = f"mlplatform_reader:{password}@{RELEASE}-postgres-{service}"
        url = f"postgresql://{server}/{database}?sslmode=require"
        return cluster.kubectl(
            "exec",
            cluster.primary(),
            "-c",
            "postgres",
            "--",
            "psql",
            url,
            "-qtAc",
            SQL,
            check=False,
        )

    for database in ("raw", "warehouse"):
        assert "refused on a primary" in connect("rw", database)
        assert "1" == connect("ro", database).strip().splitlines()[-1]


def test_the_namespace_takes_restricted_pods_only(
    cluster: Cluster, installed: dict[str, float]
) -> None:
    """The namespace enforces the Pod Security Standard `restricted`; everything runs under it."""
    said = cluster.kubectl(
        "run", "rooted", "--image=python:3.13-slim", "--dry-run=server", check=False
    )

    assert "violates PodSecurity" in said
    assert '"restricted:latest"' in said


def test_footprint(cluster: Cluster, installed: dict[str, float]) -> None:
    """What it takes is printed.

    That is memory of the node with everything, CPU and memory by container, image sizes.
    """
    print("\n" + cluster.kubectl("top", "pods", "--containers"))
    stats = subprocess.run(
        ["docker", "stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}"],
        capture_output=True,
        text=True,
        check=True,
    )
    print(f"  nodes: {stats.stdout.strip()}")
    for name in ("", "-serving", "-serving-sklearn", "-source"):
        size = subprocess.run(
            ["docker", "image", "inspect", "--format", "{{.Size}}", f"mlplatform{name}:dev"],
            capture_output=True,
            text=True,
            check=True,
        )
        print(f"  image mlplatform{name}: {int(size.stdout) / 1e6:.0f} MB")
    requests = 0.0
    for pod in cluster.get("pods", "--field-selector=status.phase=Running")["items"]:
        inside = [
            *pod["spec"]["containers"],
            *(
                c
                for c in pod["spec"].get("initContainers", ())
                if c.get("restartPolicy") == "Always"
            ),
        ]
        requests += sum(
            _cpu(container["resources"].get("requests", {}).get("cpu", "0")) for container in inside
        )
    print(f"  CPU requests in namespace {NAMESPACE}, idle: {requests:.2f}")

    assert requests <= 0.7
    assert 3 == len(PIPELINES)


def _cpu(text: str) -> float:
    return float(text.removesuffix("m")) / 1000 if text.endswith("m") else float(text)
