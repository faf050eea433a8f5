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

from kind_cluster import KIND, ROOT, Cluster, Ended, until
from platform_user import PIPELINES, User

COMPONENTS = ("dataapi", "consumer", "etl", "mlflow", "kafka", "source")
"""All but serving, whose pods become ready with the first promoted version."""


BUILT_FROM = ("src", "pipelines", "requirements", "k8s", ".git")
"""What the images hold, beside some files of the top level."""


def with_our_pipelines(folder: Path) -> Path:
    """A copy of what the images are built from, with the pipelines of this folder."""
    for part in BUILT_FROM:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("Dockerfile", ".dockerignore", "pyproject.toml", "README.md"):
        shutil.copy2(ROOT / file, folder)
    shutil.copytree(Path(__file__).parent / "pipelines", folder / "pipelines", dirs_exist_ok=True)
    samples = folder / "pipelines"
    shutil.copy2(samples / "late-delivery" / "features.py", samples / "late-boosted")
    return folder


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """All of this folder needs a cluster: `make test` leaves it out, only its mark runs it."""
    by_mark = "cluster" in (config.option.markexpr or "")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            if not by_mark:
                item.add_marker(pytest.mark.skip(reason="`make kind-test` runs it"))
            item.add_marker(
                pytest.mark.filterwarnings("default")
            )  # clients of a platform that is being killed leave sockets behind


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster with operators and images, without a release; deleted afterwards if made here.

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
        cwd=with_our_pipelines(tmp_path_factory.mktemp("clone")),
        env=os.environ | {"NO_RELEASE": "1", "BOOSTERS": "lightgbm"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found = Cluster(f"kind-{name}", made.stdout.strip().splitlines()[-1])
    if found.helm("list", "-q").strip():
        pytest.fail(
            f"cluster {name} has a release already, which these tests would break: make kind-down, "
            "or another KIND_NAME"
        )
    yield found
    if not existed and not os.environ.get("KEEP"):
        subprocess.run(["kind", "delete", "cluster", "--name", name], check=False)


@pytest.fixture(scope="session")
def user(cluster: Cluster) -> User:
    """Somebody who uses the platform."""
    return User(cluster)


@pytest.fixture(scope="session")
def ended(cluster: Cluster, user: User) -> Ended:
    """The release as the last step of `make kind` leaves it. Nothing is waited for."""
    begun = time.monotonic()
    subprocess.run(
        ["k8s/release.sh", cluster.context, cluster.tag],
        cwd=ROOT,
        env=os.environ | {"KIND_VALUES": ",".join(map(str, KIND))},
        check=True,
    )
    seconds = time.monotonic() - begun
    late = [component for component in COMPONENTS if not cluster.ready(component)]
    if not cluster.database_is_healthy():
        late.append("postgres")
    if "dataapi" in late:
        return Ended(seconds, late, [])
    with user.dataapi() as api:
        return Ended(seconds, late, [pipeline.name for pipeline in api.pipelines()])


@pytest.fixture(scope="session")
def installed(cluster: Cluster, user: User, ended: Ended) -> dict[str, float]:
    """The release, with history imported and first versions promoted.

    Seconds from `helm install` to each milestone.
    """
    begun = time.monotonic() - ended.seconds
    seconds = {"everything but serving ready": ended.seconds}
    for pipeline in PIPELINES:
        user.import_history(pipeline)
    assert "Complete" == user.retrain("breast-cancer", "first-breast-cancer")
    until("the first answer", user.served, seconds=120, every=0.5)
    seconds["first answer"] = time.monotonic() - begun
    assert "Complete" == user.retrain("diabetes", "first-diabetes")
    for name, took in seconds.items():
        print(f"\n  from helm install to {name}: {took:.0f} s")
    return seconds
