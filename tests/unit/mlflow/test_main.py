"""`mlplatform mlflow`: how a process becomes MLflow's server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mlplatform.errors import SettingsError
from mlplatform.mlflow import main
from mlplatform.settings import MlflowSettings, PostgresSettings, Settings

DSN = SecretStr("postgresql://mlplatform_mlflow:secret@db/mlflow")


def test_mlflow_gets_a_buckets_credentials_and_none_of_our_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What others gave to this process goes on to MLflow; our own settings end here."""
    started: list[Any] = []
    monkeypatch.setattr(os, "execve", lambda *words: started.extend(words))
    settings = Settings(
        postgres=PostgresSettings(mlflow_dsn=DSN),
        mlflow=MlflowSettings(artifacts=str(tmp_path / "files")),
    )

    main.run(
        settings,
        {"HOME": str(tmp_path), "AWS_ACCESS_KEY_ID": "key", "MLPLATFORM_MLFLOW__PORT": "5000"},
    )

    program, argv, environment = started
    assert program == argv[0]
    assert "key" == environment["AWS_ACCESS_KEY_ID"]
    assert environment["HOME"] == str(tmp_path)
    assert not [name for name in environment if name.startswith("MLPLATFORM_")]


def test_a_server_without_a_place_for_files_is_refused() -> None:
    """On a cluster MLflow's own default, a folder of the container, would be lost with the pod."""
    with pytest.raises(SettingsError) as refused:
        main.run(Settings(postgres=PostgresSettings(mlflow_dsn=DSN)), {})

    assert "MLPLATFORM_MLFLOW__ARTIFACTS" == refused.value.field
