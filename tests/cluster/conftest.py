"""One cluster and one release for the whole story."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from kind_cluster import ROOT, Cluster, until
from platform_user import PIPELINES, User


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """All of this folder needs a cluster, is no part of `make test`, and runs only when it is asked for by its mark."""
    wanted = "cluster" in (config.option.markexpr or "")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            if not wanted:
                item.add_marker(pytest.mark.skip(reason="`make kind-test` runs it"))
            item.add_marker(
                pytest.mark.filterwarnings("default")
            )  # clients of a platform that is being killed leave sockets behind


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster with operators and images, without a release; deleted afterwards, unless it was there before.

    Skipped where there is no engine to make one.
    """
    missing = [tool for tool in ("docker", "kind", "kubectl", "helm") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)} here: THE CLUSTER TESTS DID NOT RUN")
    name = os.environ.get("KIND_NAME", "mlplatform")
    existed = (
        name
        in subprocess.run(
            ["kind", "get", "clusters"], capture_output=True, text=True, check=True
        ).stdout.split()
    )
    made = subprocess.run(
        ["k8s/up.sh"],
        cwd=ROOT,
        env=os.environ | {"NO_RELEASE": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found = Cluster(f"kind-{name}", made.stdout.strip().splitlines()[-1])
    if found.helm("list", "-q").strip():
        pytest.fail(
            f"cluster {name} has a release already, which these tests would break: make kind-down, or another KIND_NAME"
        )
    yield found
    if not existed and not os.environ.get("KEEP"):
        subprocess.run(["kind", "delete", "cluster", "--name", name], check=False)


@pytest.fixture(scope="session")
def user(cluster: Cluster) -> User:
    """Somebody who uses the platform."""
    return User(cluster)


@pytest.fixture(scope="session")
def installed(cluster: Cluster, user: User) -> dict[str, float]:
    """The release, with history imported and first versions promoted.

    Seconds from `helm install` to each milestone.
    """
    begun = time.monotonic()
    seconds = {}
    cluster.release()
    for component in ("dataapi", "consumer", "etl", "mlflow", "kafka", "source"):
        until(
            f"{component} is ready",
            lambda component=component: cluster.ready(component),
            seconds=480,
        )
    until("the pipelines are known", lambda: _known(user), seconds=120)
    cluster.healthy_database(seconds=240)
    seconds["everything but serving ready"] = time.monotonic() - begun
    for pipeline in PIPELINES:
        user.import_history(pipeline)
    outcome = user.retrain("breast-cancer", "first-breast-cancer")
    assert "Complete" == outcome
    until("the first answer", user.served, seconds=120, every=0.5)
    seconds["first answer"] = time.monotonic() - begun
    assert "Complete" == user.retrain("diabetes", "first-diabetes")
    for name, took in seconds.items():
        print(f"\n  from helm install to {name}: {took:.0f} s")
    return seconds


def _known(user: User) -> bool:
    with user.dataapi() as client:
        return {each["name"] for each in client.get("/v1/pipelines")} >= set(PIPELINES)
