"""The champion on the new version's held-out rows: what can't be compared never ends the run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hostile_models
import opened
import pytest

from mlplatform.contracts.promotion import ModelVersion
from mlplatform.engine.limits import TrialLimits
from mlplatform.engine.trials import Trials
from mlplatform.errors import Unavailable
from mlplatform.registry import manifest
from mlplatform.trainer.estimator import builder
from mlplatform.trainer.metrics import Classes
from mlplatform.trainer.results import Champion, Evaluation, Parts, TrainedModel
from mlplatform.trainer.steps.compare import compare
from mlplatform.trainer.steps.export import export
from mlplatform.trainer.steps.train import train

LOAD_S = 3.0
WORDY = """
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
def build(parameters):
    return make_pipeline(make_column_transformer((OneHotEncoder(), ["plan"])), LogisticRegression())
"""


class _Shelf:
    """Stands in for the registry: gives a folder that lies on the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def download(self, artifacts: str, to: Path, manifest_sha256: str) -> None:
        assert artifacts
        manifest.verify(self._folder, manifest_sha256)
        shutil.copytree(self._folder, to)


def _context(store: Any, champion: Any, folder: Path) -> Any:
    """What `compare` uses of a run's context."""
    status = SimpleNamespace(champion=champion)
    api = SimpleNamespace(model_status=lambda _: status)
    trials = Trials(TrialLimits(LOAD_S, 512 << 20), trusted=())
    return SimpleNamespace(api=api, store=store, folder=folder, trials=trials, datasets=None)


@pytest.fixture
def champion(tmp_path: Path) -> Callable[..., Champion]:
    """Compare with a champion in a folder: `champion(exported, pinned, test, classes=…)`."""

    def compared(
        exported: TrainedModel, pinned: Any, test: Any, *, classes: tuple[str, ...] = ("no", "yes")
    ) -> Champion:
        version = ModelVersion(
            pipeline="churn",
            version="7",
            state="champion",
            run_id="r",
            artifacts="1/r/artifacts/model",
            manifest_sha256=manifest.write(exported.folder),
            features_digest=pinned.digest,
            commit="c",
            format=exported.signature.format,
            receipt_id="x",
            created_at=datetime.now(UTC),
        )
        context = _context(_Shelf(exported.folder), version, tmp_path / "scratch")
        new = Evaluation({}, Classes(classes, pinned.definition), {})
        return compare(context, pinned, _parts(test), new).champion

    return compared


def _exported(pinned: Any, rows: Any, folder: Path) -> TrainedModel:
    estimator = train(builder(pinned), rows, pinned, {})
    return export(estimator, pinned, _parts(rows), folder / "model", (), open_model=opened.here)


def _parts(rows: Any) -> Parts:
    receipt: Any = None  # read only for another digest
    return Parts(rows, rows, columns={}, receipt=receipt)


def test_a_champion_is_evaluated_on_the_held_out_rows(
    table, pinned, champion, tmp_path: Path
) -> None:
    """A champion of the same features and classes is evaluated on every row."""
    made, rows = pinned(), table()
    found = champion(_exported(made, rows, tmp_path), made, rows)

    assert ("7", ("no", "yes"), "") == (found.version, found.evaluation.classes.names, found.why)
    assert found.positions.tolist() == list(range(200))
    assert found.metrics["accuracy"] > 0.8


def test_a_champion_of_other_classes_can_not_be_compared(
    table, pinned, champion, tmp_path: Path
) -> None:
    """After the target's values changed no metric means the same: all classes are named."""
    made, rows = pinned(), table()
    found = champion(_exported(made, rows, tmp_path), made, rows, classes=("no", "perhaps", "yes"))

    assert found.evaluation is None
    assert (
        "version 7 can't be compared: its classes are no, yes, the new one's no, perhaps, yes"
        == found.why
    )


def test_a_champion_that_cannot_be_loaded_is_reported(
    table, pinned, champion, tmp_path: Path
) -> None:
    """Whatever skops raises for a file that it can't read any more, the run goes on and says so."""
    made, rows = pinned(export={"format": "skops"}), table()
    exported = _exported(made, rows, tmp_path)
    (exported.folder / "model.skops").write_bytes(b"of another time")
    found = champion(exported, made, rows)

    assert found.evaluation is None
    assert found.why.startswith("version 7 can't be compared: ")


def test_a_champion_that_fails_on_the_rows_is_reported(
    table, pinned, champion, tmp_path: Path
) -> None:
    """A model that raises for a word it has never seen can't be compared on rows that hold one."""
    made, rows = pinned(export={"format": "skops"}, model=WORDY), table()
    exported = _exported(made, rows, tmp_path)
    rows.features["plan"][0] = "platinum"
    found = champion(exported, made, rows)

    assert found.evaluation is None
    assert "platinum" in found.why


def test_a_registry_that_is_away_is_no_fault_of_the_champion(table, pinned, tmp_path: Path) -> None:
    """What another try may bring ends the run as such: the champion is not written off."""

    class _Away:
        def download(self, *_: Any) -> None:
            raise Unavailable("no answer from MLflow")

    version: Any = SimpleNamespace(version="7", artifacts="a", manifest_sha256="0" * 64)
    made = pinned()
    new = Evaluation({}, Classes(("no", "yes"), made.definition), {})
    with pytest.raises(Unavailable):
        compare(_context(_Away(), version, tmp_path), made, _parts(table()), new)


def test_a_champion_that_never_answers_is_ended_and_reported(
    table, pinned, champion, tmp_path: Path
) -> None:
    """A loop of 2^62 trips costs its time limit, not the run and all that come after it."""
    made, rows = pinned(), table()
    exported = _exported(made, rows, tmp_path)
    (exported.folder / "model.onnx").write_bytes(
        hostile_models.endless("age", ("prediction", "probabilities"))
    )
    found = champion(exported, made, rows)

    assert found.evaluation is None
    assert f"took longer than {LOAD_S:g} s for a call" in found.why
