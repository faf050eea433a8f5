"""MLflow's server process: where its files may go."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlplatform.errors import SettingsError
from mlplatform.local import mlflow

DSN = "postgresql://mlplatform_mlflow@127.0.0.1/mlflow"


def start(artifacts: str, folder: Path) -> tuple[str, ...]:
    """The command line of a server with that place for files."""
    return mlflow.process(
        dsn=DSN, host="127.0.0.1", port=5000, folder=folder, artifacts=artifacts
    ).argv


@pytest.mark.parametrize(
    ("artifacts", "fix"),
    [("s3://bucket/models", "mlplatform[s3]"), ("gs://bucket/models", "google-cloud-storage")],
)
def test_a_bucket_without_its_client_is_refused(
    artifacts: str, fix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow would start and fail with the first model: the start is refused instead, with what to install."""
    monkeypatch.setattr(mlflow, "find_spec", lambda _: None)

    with pytest.raises(SettingsError) as refused:
        start(artifacts, tmp_path)

    assert "MLPLATFORM_MLFLOW__ARTIFACTS" == refused.value.field
    assert fix in str(refused.value.fix)


def test_a_bucket_with_its_client_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address whose client is there goes to MLflow as it is; a folder becomes a URL."""
    monkeypatch.setitem(mlflow._CLIENTS, "s3", ("json", ""))

    assert "s3://bucket/models" in start("s3://bucket/models", tmp_path)
    assert (tmp_path / "artifacts").as_uri() in start("", tmp_path)


def test_a_package_that_is_missing_as_a_whole_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client inside a package that is not there either is missing, not an error of the import system."""
    monkeypatch.setitem(mlflow._CLIENTS, "gs", ("no_such_package.storage", "build one"))

    with pytest.raises(SettingsError, match="no_such_package"):
        start("gs://bucket/models", tmp_path)
