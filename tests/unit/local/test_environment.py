from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from mlplatform import settings
from mlplatform.local import raw_shards, secrets
from mlplatform.local.environment import Layout, variables
from mlplatform.local.ports import DEFAULTS
from mlplatform.local.servers.binaries import Programs
from mlplatform.local.servers.postgres import LocalPostgres
from mlplatform.local.stack import PASSWORDS

PROCESSES = (
    "dataapi",
    "serving",
    "shipper",
    "consumer",
    "etl",
    "trainer",
    "backup",
    "restore",
    "retention",
)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A stack that was laid out and never started."""
    known = secrets.ensure(tmp_path / "secrets", PASSWORDS)
    servers = LocalPostgres(
        tmp_path / "postgres",
        Programs(tmp_path, 18, None),
        passwords={role: SecretStr(password) for role, password in known.passwords.items()},
        primary_port=1,
        standby_port=2,
    )
    return Layout(
        home=tmp_path,
        ports=DEFAULTS,
        queue="sqlite:///q",
        source=str(tmp_path),
        working_tree=False,
        models=("diabetes",),
        secrets=known,
        postgres=servers,
    )


def test_every_process_holds_its_own_credentials_only(layout: Layout) -> None:
    """A secret stands only in the environments that need it; training has no database at all."""
    holders = {
        name: {process for process in PROCESSES if secret in str(layout.environment(process))}
        for name, secret in (layout.secrets.passwords | layout.secrets.tokens).items()
    }

    assert {
        "mlplatform_consumer": {"consumer"},
        "mlplatform_etl": {"etl"},
        "mlplatform_dataapi": {"dataapi"},
        "mlplatform_reader": {"dataapi"},
        "mlplatform_backup": {"backup"},
        "mlplatform_mlflow": {"restore"},
        "mlplatform_owner": {"restore"},
        "serving": {"serving"},
        "trainer": {"trainer"},
        "retention": {"retention"},
    } == {name: who for name, who in holders.items() if who}


def test_further_raw_servers_are_known_where_they_are_read(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each consumer knows its own server; etl and the data API know all, in their order."""
    chosen = raw_shards.ports(3, {})
    several = replace(
        layout, ports=chosen, further_raw=raw_shards.further(layout.postgres, 3, chosen)
    )
    loaded = {}
    for process in ("consumer", "consumer-raw-2", "consumer-raw-3", "etl", "dataapi"):
        with monkeypatch.context() as patch:
            for name, value in several.environment(process).items():
                patch.setenv(name, value)
            loaded[process] = settings.load()

    ports = {
        name: found.postgres.raw_dsn.get_secret_value().rpartition(":")[2]
        for name, found in loaded.items()
    }
    assert {"1/raw"} == {ports[name] for name in ("consumer", "etl", "dataapi")}
    for shard in ("raw-2", "raw-3"):
        assert f"{chosen[f'primary-{shard}']}/raw" == ports[f"consumer-{shard}"]
        assert shard == loaded[f"consumer-{shard}"].consumer.shard
    further = [f":{chosen[f'primary-{shard}']}/raw" for shard in ("raw-2", "raw-3")]
    for name in ("etl", "dataapi"):
        found = [dsn.get_secret_value() for dsn in loaded[name].postgres.raw_more_dsns]
        assert all(dsn.endswith(port) for dsn, port in zip(found, further, strict=True))
    assert 2 == len(loaded["dataapi"].postgres.raw_more_replica_dsns)


@pytest.mark.parametrize("process", PROCESSES)
def test_environments_are_valid_settings(
    layout: Layout, process: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settings accept what local mode sets, and nothing of our own environment is added."""
    environment = layout.environment(process)
    for name in [name for name in os.environ if name.startswith(settings.PREFIX)]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    loaded = settings.load()

    assert "json" == loaded.telemetry.log_format
    assert "PYTEST_CURRENT_TEST" not in environment


def test_the_types_that_a_model_may_hold_are_the_same_for_trainer_and_serving(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The setting that an error message advises reaches both processes, and no other."""
    monkeypatch.setenv("MLPLATFORM_REGISTRY__SKOPS_TRUSTED", "lib.Model")
    given = {
        process: layout.environment(process).get("MLPLATFORM_REGISTRY__SKOPS_TRUSTED")
        for process in PROCESSES
    }

    assert {"serving": "lib.Model", "trainer": "lib.Model"} == {
        process: value for process, value in given.items() if value is not None
    }


@pytest.mark.parametrize(
    ("name", "processes"),
    [
        ("MLPLATFORM_RAY__ADDRESS", ["trainer"]),
        ("MLPLATFORM_RAY__TOKEN", ["trainer"]),
        ("MLPLATFORM_SERVING__DURABILITY", ["serving", "shipper"]),
        ("MLPLATFORM_SERVING__DURABILITY_INTERVAL_MS", ["serving"]),
        ("MLPLATFORM_SERVING__DURABILITY_WAIT_S", ["serving"]),
        ("MLPLATFORM_AUDIT__KEY", ["shipper"]),
    ],
)
def test_a_choice_of_ours_reaches_only_whom_it_is_about(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, name: str, processes: list[str]
) -> None:
    """Set before `mlplatform up`."""
    monkeypatch.setenv(name, "chosen")

    assert processes == [each for each in PROCESSES if name in layout.environment(each)]


def test_the_number_of_workers_reaches_serving_alone(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`MLPLATFORM_SERVING__WORKERS=2 mlplatform up` starts two."""
    monkeypatch.setenv("MLPLATFORM_SERVING__WORKERS", "2")

    assert {"serving": "2"} == {
        process: layout.environment(process)["MLPLATFORM_SERVING__WORKERS"]
        for process in PROCESSES
        if "MLPLATFORM_SERVING__WORKERS" in layout.environment(process)
    }


def test_settings_become_variables() -> None:
    """Lists are JSON, truth values lower-case, secrets open, and what is not set is left out."""
    groups = {"a": {"b": ("x", "y"), "c": True, "d": SecretStr("s"), "e": None, "f": 3}}

    assert {
        "MLPLATFORM_A__B": '["x", "y"]',
        "MLPLATFORM_A__C": "true",
        "MLPLATFORM_A__D": "s",
        "MLPLATFORM_A__F": "3",
    } == variables(groups)
