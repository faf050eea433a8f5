"""Models that were made elsewhere, from their file to a version that serves."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import damaged_models
import foreign_models
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from mlplatform.cli.connection import Platform
from mlplatform.cli.foreign_file import FileFormat, given_file
from mlplatform.contracts.columns import Feature
from mlplatform.contracts.pipeline import Target
from mlplatform.engine.foreign.apart import ForeignModel
from mlplatform.engine.foreign.file import ForeignFile
from mlplatform.engine.limits import TrialLimits
from mlplatform.engine.load import load, read_signature
from mlplatform.errors import InvalidInput, Refused, UnfitModel
from mlplatform.registry.store import ModelStore
from mlplatform.trainer import handover
from mlplatform.trainer.begin import begun
from mlplatform.trainer.handover import Handover
from mlplatform.trainer.main import run

NUMBERS = """
def engineer(columns):
    own = (columns["home"] == "own").astype("int64")
    rest = {name: columns[name] for name in ("children", "member")}
    return {"income": columns["income"] / 10, "own": own, **rest}
"""
NAMES = ("income", "own", "children", "member")
IN_A_CHILD = (
    "lightgbm cut short",
    "lightgbm with a feature beyond",
    "xgboost with children elsewhere",
)
WITHOUT_NAMES = ("xgboost", "lightgbm", "mlflow")


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """The features as features.py makes them."""
    frame = pd.DataFrame(rows)
    return pd.DataFrame(
        {
            "income": frame.income / 10,
            "own": (frame.home == "own").astype("int64"),
            "children": frame.children,
            "member": frame.member,
        }
    )


def _given(
    bank: Any, file: Path, kind: str, rows: Any, folder: Path, *, trusted: bool = False
) -> Path:
    classes = ("no", "yes") if kind in WITHOUT_NAMES else ()
    platform = Platform(bank.settings, None)
    about, data = given_file(
        platform, str(file), FileFormat(kind), classes=classes, trusted=trusted
    )
    handover.write(folder, Handover(about, data, rows))
    return folder


def _import(bank: Any, folder: Path) -> Any:
    with begun(bank.settings, bank.name) as token:
        dataapi = bank.settings.dataapi.model_copy(update={"token": token})
        settings = bank.settings.model_copy(update={"dataapi": dataapi})
        return run(settings, bank.name, reason="it exists", imported=folder)


def test_a_model_of_every_format_waits_for_approval_and_then_serves(
    bank: Any, history: Any, tmp_path: Path
) -> None:
    """Each becomes a version that waits though approval is auto, and answers as its library."""
    bank.apply(features=NUMBERS, gates=[{"metric": "roc_auc", "min": 0.6}])
    rows = history(60, seed=7)
    frame, labels = _frame(rows), np.array([row["paid"] for row in rows])
    table = {name: frame[name].to_numpy() for name in NAMES}
    for number, kind in enumerate(foreign_models.FORMATS, 1):
        folder = tmp_path / kind
        folder.mkdir()
        file, expected = foreign_models.write(kind, folder, frame, labels)
        given = _given(bank, file, kind, rows, folder / "given", trusted=kind == "joblib")
        outcome = _import(bank, given)
        status = bank.status()

        assert ("candidate", str(number)) == (outcome.state, outcome.version)
        assert str(number) == status.candidate.version
        with bank.client("admin") as client:
            client.decide(bank.name, "approve", version=outcome.version, why="it is good")
        champion = bank.status().champion
        with ModelStore(bank.mlflow.url) as store:
            store.download(champion.artifacts, folder / "served", champion.manifest_sha256)
        form = read_signature(folder / "served")
        found = load(folder / "served", form, trusted=()).predict(table)
        about = json.loads((folder / "served" / "imported.json").read_text())
        gates = json.loads(bank.artifact(outcome.run_id, "report/gates.json"))

        assert str(number) == champion.version
        assert ("no", "yes") == form.classes
        np.testing.assert_allclose(found["probabilities"], expected, atol=1e-5)
        assert about == gates["imported"]
        assert str(file) == about["origin"]


@pytest.mark.parametrize("name", IN_A_CHILD)
def test_a_file_that_ends_its_reader_ends_nothing_else(name: str, tmp_path: Path) -> None:
    """What crashes a library's parser is an error of the import."""
    kind, data = damaged_models.damaged(tmp_path / "mark")[name]

    with pytest.raises(
        (InvalidInput, UnfitModel), match=r"can't be imported|child process|don't exist"
    ):
        _read(kind, data)


def test_code_of_a_trusted_file_has_no_credentials_and_no_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It runs in the child, which may keep its network only where the kernel says so."""
    monkeypatch.setenv("MLPLATFORM_DATAAPI__TOKEN", "secret")
    probe = "from mlplatform.engine.foreign.cut_off import leave_network as l; print(l())"
    left = subprocess.run([sys.executable, "-c", probe], capture_output=True, check=True).stdout

    with pytest.raises(InvalidInput) as refused:
        _read("joblib", damaged_models.telling())

    assert "ValueError: [] " in str(refused.value)
    assert (b"True" in left) == ("Network is unreachable" in str(refused.value))


def test_a_version_of_a_tracking_server_is_fetched(bank: Any, history: Any, tmp_path: Path) -> None:
    """models:/NAME/1 of the platform's own MLflow, as its own client logs and registers it."""
    rows = history(60, seed=7)
    labels = np.array([row["paid"] for row in rows])
    file, _ = foreign_models.write("mlflow", tmp_path, _frame(rows), labels)
    client = MlflowClient(bank.mlflow.url)
    run_id = client.create_run(client.create_experiment(f"{bank.name}-elsewhere")).info.run_id
    client.log_artifacts(run_id, str(file), "logged")
    source = client.get_run(run_id).info.artifact_uri + "/logged"
    client.create_registered_model("elsewhere")
    client.create_model_version("elsewhere", source, run_id=run_id)
    platform = Platform(bank.settings, None)
    about, data = given_file(
        platform, "models:/elsewhere/1", FileFormat.mlflow, classes=("no", "yes"), trusted=False
    )

    assert ("xgboost", "model.ubj", "models:/elsewhere/1") == (
        about.format,
        about.file,
        about.origin,
    )
    assert (file / "model.ubj").read_bytes() == data


def test_files_with_changed_bytes_are_read_or_refused() -> None:
    """Nothing but the import's own errors comes of them, whatever their bytes are."""
    ended = []
    for kind, data in damaged_models.flipped(1).values():
        with suppress(InvalidInput, UnfitModel, Refused):
            _read(kind, data)
        ended.append(kind)

    assert ["onnx", "skops", "xgboost", "lightgbm"] == ended


def _read(kind: Any, data: bytes) -> None:
    """All that an import does with a file in a child."""
    features = tuple(Feature(name=name, dtype="float64") for name in "abc")
    target = Target(name="y", dtype="int64")
    file = ForeignFile(kind, data, features, "classification", target, (), ())
    model = ForeignModel(file, TrialLimits(20, 512 << 20))
    rows = damaged_models.ROWS.astype(np.float64)
    model.predict({feature.name: rows[:, at] for at, feature in enumerate(features)})
    assert all(make() for _, _, make in model.ways())


def test_a_refused_file_registers_nothing(bank: Any, history: Any, tmp_path: Path) -> None:
    """A damaged file, one with other features, and a pickle that nobody vouches for."""
    bank.apply(features=NUMBERS)
    rows = history(5, seed=7)
    damaged = damaged_models.damaged(tmp_path / "mark")
    for name, message in (
        ("pickle as onnx", "can't be read"),
        ("onnx with a loop", "graph inside"),
    ):
        kind, data = damaged[name]
        (tmp_path / name).write_bytes(data)
        given = _given(bank, tmp_path / name, kind, rows, tmp_path / f"given {name}")
        with pytest.raises(InvalidInput, match=message):
            _import(bank, given)
    with pytest.raises(Refused, match="runs whatever code"):
        _given(bank, tmp_path / name, "joblib", rows, tmp_path / "given")

    assert [] == bank.versions()
    assert not (tmp_path / "mark").exists()
    assert {"FAILED"} == {run["info"]["status"] for run in bank.runs()}
