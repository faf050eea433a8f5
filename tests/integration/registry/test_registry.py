"""Publish to a real MLflow, download over HTTP, and believe nothing on the way."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from mlplatform.errors import ManifestMismatch, Refused, Unavailable, UnknownName
from mlplatform.registry import manifest
from mlplatform.registry.publish import MlflowRun, Publisher
from mlplatform.registry.store import ModelStore

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Published:
    """A version of two files in the registry."""

    name: str
    version: str
    run: MlflowRun
    artifacts: str
    manifest_sha256: str
    folder: Path  # the files as they were before


@pytest.fixture
def store(mlflow: Any) -> Iterator[ModelStore]:
    """A client of the shared MLflow."""
    with ModelStore(mlflow.url) as client:
        yield client


@pytest.fixture
def publisher(mlflow: Any) -> Publisher:
    """A publisher to the shared MLflow."""
    return Publisher(mlflow.url)


@pytest.fixture
def published(publisher: Publisher, tmp_path: Path) -> Published:
    """One published version."""
    folder, name = tmp_path / "model", f"toys-{next(_numbers)}"
    (folder / "deep").mkdir(parents=True)
    (folder / "model.onnx").write_bytes(bytes(range(256)) * 4_000)
    (folder / "deep" / "signature.json").write_text("{}")
    digest = manifest.write(folder)
    run = publisher.start(name, name="first", tags={"reason": "test"})
    run.files(folder, "model")
    version = run.register(
        name, about="Toys.", description="The first version.", tags={"seed": "0"}
    )
    run.finish("FINISHED")
    return Published(name, version, run, f"{run.artifacts}/model", digest, folder)


def test_a_download_is_what_was_published(
    store: ModelStore, published: Published, tmp_path: Path
) -> None:
    """The folder arrives whole, every byte as it was."""
    to = tmp_path / "down" / "model"
    store.download(published.artifacts, to, published.manifest_sha256)

    assert manifest.verify(to, published.manifest_sha256) == manifest.build(published.folder)
    assert ["model"] == [path.name for path in to.parent.iterdir()]
    assert ["deep/signature.json", "manifest.json", "model.onnx"] == store.tree(published.artifacts)


def test_a_model_that_was_deleted_goes_on_counting(store: ModelStore, published: Published) -> None:
    """MLflow alone would begin with 1 again, and numbers must mean one version for ever."""
    published.run.client.delete_registered_model(published.name)
    version = published.run.register(
        published.name, about="Toys.", description="Again.", tags={}, above=4
    )

    assert "5" == version
    assert [("5", "Again.")] == [
        (each["version"], each["description"]) for each in store.versions(published.name)
    ]


@pytest.mark.parametrize("harm", ["flipped", "missing", "other manifest"])
def test_a_harmed_model_never_appears(
    store: ModelStore, mlflow: Any, published: Published, tmp_path: Path, harm: str
) -> None:
    """A flipped byte, a missing file or another manifest: the download fails and leaves nothing.

    The error names the file.
    """
    file = (
        mlflow.artifacts
        / published.artifacts
        / ("manifest.json" if harm == "other manifest" else "model.onnx")
    )
    if harm == "missing":
        file.unlink()
    else:
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)

    with pytest.raises(ManifestMismatch, match=file.name):
        store.download(published.artifacts, tmp_path / "down" / "model", published.manifest_sha256)
    assert [] == list((tmp_path / "down").iterdir())


def test_what_is_not_there_is_unknown(store: ModelStore, tmp_path: Path) -> None:
    """Unknown artifacts and models are UnknownName; an unknown model has no versions."""
    with pytest.raises(UnknownName):
        store.download("1/nothing/artifacts/model", tmp_path / "model", "0" * 64)
    with pytest.raises(UnknownName):
        store.aliases("nobody")
    assert [] == store.versions("nobody")


def test_aliases_follow(store: ModelStore, published: Published) -> None:
    """An alias can be set, moved onto itself, read and removed; removing it twice is harmless."""
    store.set_alias(published.name, "champion", published.version)
    store.set_alias(published.name, "champion", published.version)
    before = store.aliases(published.name)
    store.delete_alias(published.name, "champion")
    store.delete_alias(published.name, "champion")

    assert (before, store.aliases(published.name)) == ({"champion": published.version}, {})


def test_a_run_tells_its_story(
    publisher: Publisher, store: ModelStore, mlflow: Any, published: Published
) -> None:
    """Description, tags, many parameters, metrics by step and the state are all in MLflow."""
    run = publisher.start(published.name, name="second", tags={"reason": "more"})
    run.parameters({f"p{number}": "x" * 7_000 for number in range(120)})
    run.metrics({"loss": 0.5}, step=0)
    run.metrics({"loss": 0.25}, step=1)
    run.finish("FAILED")
    found = httpx.get(f"{mlflow.url}/api/2.0/mlflow/runs/get", params={"run_id": run.id}).json()[
        "run"
    ]
    history = httpx.get(
        f"{mlflow.url}/api/2.0/mlflow/metrics/get-history",
        params={"run_id": run.id, "metric_key": "loss"},
    ).json()
    (version,) = store.versions(published.name)

    assert ("FAILED", 120) == (found["info"]["status"], len(found["data"]["params"]))
    assert [0.5, 0.25] == [point["value"] for point in history["metrics"]]
    assert (version["description"], version["run_id"], version["tags"]) == (
        "The first version.",
        published.run.id,
        [{"key": "seed", "value": "0"}],
    )


def test_versions_count_up_and_the_model_keeps_its_words(
    publisher: Publisher, store: ModelStore, published: Published
) -> None:
    """A second version of a known model is the next number, listed after the first."""
    second = published.run.register(published.name, about="Toys!", description="Again.", tags={})

    assert (
        [entry["version"] for entry in store.versions(published.name)]
        == [published.version, second]
        == ["1", "2"]
    )


def test_a_deleted_experiment_is_reported(
    publisher: Publisher, mlflow: Any, published: Published
) -> None:
    """A run can't begin in a deleted experiment, and the refusal says how to bring it back."""
    body = {"experiment_id": published.run.experiment}
    httpx.post(f"{mlflow.url}/api/2.0/mlflow/experiments/delete", json=body).raise_for_status()

    with pytest.raises(Refused, match="restore"):
        publisher.start(published.name, name="third", tags={})


def test_an_mlflow_that_is_away_is_unavailable(tmp_path: Path) -> None:
    """No answer is Unavailable, so that callers try again."""
    with ModelStore("http://127.0.0.1:1") as away:
        with pytest.raises(Unavailable):
            away.ping()
        with pytest.raises(Unavailable):
            away.download("1/2/artifacts/model", tmp_path / "model", "0" * 64)


def test_strange_hosts_are_refused(mlflow: Any) -> None:
    """MLflow answers only to the names it was given, port included.

    A page in somebody's browser can't reach it by another name.
    """
    assert (
        403
        == httpx.get(
            f"{mlflow.url}/api/2.0/mlflow/experiments/search?max_results=1",
            headers={"Host": "evil.example"},
        ).status_code
    )


def test_an_upload_comes_back(store: ModelStore, published: Published, tmp_path: Path) -> None:
    """A file that was put at an artifact path is read back byte for byte."""
    file = tmp_path / "file.bin"
    file.write_bytes(bytes(range(256)) * 9_000)
    store.upload(f"{published.run.artifacts}/model/more.bin", file)
    back = tmp_path / "back.bin"

    assert store.fetch(f"{published.run.artifacts}/model/more.bin", back) == (
        file.stat().st_size,
        hashlib.sha256(file.read_bytes()).hexdigest(),
    )
    assert back.read_bytes() == file.read_bytes()
