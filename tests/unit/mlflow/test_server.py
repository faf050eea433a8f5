"""MLflow's server: what is started, and where its files may go."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mlplatform.errors import SettingsError
from mlplatform.mlflow import server
from mlplatform.settings import MlflowSettings

SOURCE = Path(server.__file__).parents[1]


def start(artifacts: str, folder: Path) -> tuple[str, ...]:
    """The command line of a server with that place for files."""
    return server.command(
        MlflowSettings(port=5000, artifacts=artifacts or str(folder / "artifacts"))
    )


@pytest.mark.parametrize(
    ("artifacts", "fix"),
    [("s3://bucket/models", "mlplatform[s3]"), ("gs://bucket/models", "google-cloud-storage")],
)
def test_a_bucket_without_its_client_is_refused(
    artifacts: str, fix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow would fail at the first model; its start is refused, with what to install."""
    monkeypatch.setattr(server, "find_spec", lambda _: None)

    with pytest.raises(SettingsError) as refused:
        start(artifacts, tmp_path)

    assert "MLPLATFORM_MLFLOW__ARTIFACTS" == refused.value.field
    assert fix in str(refused.value.fix)


def test_a_bucket_with_its_client_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address whose client is there goes to MLflow as it is; a folder becomes a URL."""
    monkeypatch.setitem(server._CLIENTS, "s3", ("json", ""))

    assert "s3://bucket/models" in start("s3://bucket/models", tmp_path)
    assert (tmp_path / "artifacts").as_uri() in start("", tmp_path)


def test_a_package_that_is_missing_as_a_whole_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client whose package is missing as well is refused like any other, without a traceback."""
    monkeypatch.setitem(server._CLIENTS, "gs", ("no_such_package.storage", "build one"))

    with pytest.raises(SettingsError, match="no_such_package"):
        start("gs://bucket/models", tmp_path)


def test_the_third_party_server_is_started(tmp_path: Path) -> None:
    """`python -m mlflow` finds the package of that name, and never our folder of that name."""
    words = start("", tmp_path)
    where = "from importlib.util import find_spec; print(find_spec('mlflow').origin)"
    origin = subprocess.run(
        [words[0], "-c", where], cwd=SOURCE.parent, capture_output=True, text=True, check=True
    ).stdout

    assert words[:4] == (sys.executable, "-m", "mlflow", "server")
    assert not Path(origin.strip()).is_relative_to(SOURCE)


def test_the_password_stands_in_the_environment_only(tmp_path: Path) -> None:
    """Every user of a machine can read command lines."""
    dsn = "postgresql://mlflow:secret@127.0.0.1/mlflow"

    assert "secret" not in " ".join(start("", tmp_path))
    assert (
        "postgresql+psycopg://mlflow:secret@127.0.0.1/mlflow"
        in server.environment(dsn, home=tmp_path).values()
    )
