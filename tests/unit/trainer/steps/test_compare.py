"""The champion on the new version's held-out rows: what can't be compared is said, and never ends the run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mlplatform.contracts.promotion import ModelVersion
from mlplatform.engine.skops import frame
from mlplatform.errors import Unavailable
from mlplatform.registry import manifest
from mlplatform.trainer.estimator import builder
from mlplatform.trainer.steps.compare import Champion, Inquiry
from mlplatform.trainer.steps.export import Exported, export

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


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., Champion]:
    """Ask a champion that lies in a folder: `ask(exported, pinned, test, classes=…)`."""

    def asked(
        exported: Exported, pinned: Any, test: Any, *, classes: tuple[str, ...] = ("no", "yes")
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
        store: Any = _Shelf(exported.folder)
        inquiry = Inquiry(
            store=store, rows_of=lambda *_: test, folder=tmp_path / "scratch", trusted=()
        )
        return inquiry.ask(version, pinned, test, classes)

    return asked


def _exported(pinned: Any, table: Any, folder: Path) -> Exported:
    estimator = builder(pinned.files.model, commit="c" * 40, seed=0)({})
    estimator.fit(frame(table.features, pinned.features.features), table.labels)
    return export(estimator, pinned, table, table, folder / "model", trusted=())


def test_a_champion_answers_the_held_out_rows(table, pinned, ask, tmp_path: Path) -> None:
    """A champion of the same features and classes is asked about every row."""
    made, rows = pinned(), table()
    champion = ask(_exported(made, rows, tmp_path), made, rows)

    assert (champion.version, champion.classes, champion.why) == ("7", ("no", "yes"), "")
    assert champion.positions.tolist() == list(range(200))


def test_a_champion_of_other_classes_answers_another_question(
    table, pinned, ask, tmp_path: Path
) -> None:
    """After the target's values changed no metric of both means the same: it is said which classes each one knows."""
    made, rows = pinned(), table()
    champion = ask(_exported(made, rows, tmp_path), made, rows, classes=("no", "perhaps", "yes"))

    assert champion.answers is None
    assert (
        champion.why
        == "version 7 can't be compared: it tells no, yes apart, and the new one no, perhaps, yes"
    )


def test_a_champion_that_cannot_be_loaded_is_told(table, pinned, ask, tmp_path: Path) -> None:
    """Whatever skops raises for a file that it can't read any more, the run goes on and says so."""
    made, rows = pinned(export={"format": "skops"}), table()
    exported = _exported(made, rows, tmp_path)
    (exported.folder / "model.skops").write_bytes(b"of another time")
    champion = ask(exported, made, rows)

    assert champion.answers is None
    assert champion.why.startswith("version 7 can't be compared: ")


def test_a_champion_that_fails_on_the_rows_is_told(table, pinned, ask, tmp_path: Path) -> None:
    """A model that raises for a word it has never seen can't be compared on rows that hold one."""
    made, rows = pinned(export={"format": "skops"}, model=WORDY), table()
    exported = _exported(made, rows, tmp_path)
    rows.features["plan"][0] = "platinum"
    champion = ask(exported, made, rows)

    assert champion.answers is None
    assert "platinum" in champion.why


def test_a_registry_that_is_away_is_no_fault_of_the_champion(table, pinned, tmp_path: Path) -> None:
    """What another try may bring ends the run as such: the champion is not written off."""

    class _Away:
        def download(self, *_: Any) -> None:
            raise Unavailable("no answer from MLflow")

    store: Any = _Away()
    version: Any = type(
        "Version", (), {"version": "7", "artifacts": "a", "manifest_sha256": "0" * 64}
    )()
    with pytest.raises(Unavailable):
        Inquiry(store=store, rows_of=lambda *_: table(), folder=tmp_path, trusted=()).ask(
            version, pinned(), table(), ("no", "yes")
        )
