"""One pipeline's part of the tour, on servers in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mlplatform.contracts.imports import ImportResult
from mlplatform.contracts.pipeline_status import AppliedPipeline, FeaturesProgress
from mlplatform.contracts.predicted_rows import PredictedRows
from mlplatform.errors import PlatformError
from mlplatform.local.tour.context import TourContext
from mlplatform.local.tour.pipeline_tour import PipelineTour
from mlplatform.local.tour.progress import Progress
from mlplatform.local.tour.summary import Summary

DEFINITION = {
    "name": "diabetes",
    "description": "How far the illness is after a year.",
    "task": "regression",
    "columns": [{"name": "age", "dtype": "int64"}],
    "target": {"name": "progression", "dtype": "float64"},
    "key": "patient",
    "tuning": {"metric": "r2"},
    "gates": [{"metric": "r2", "min": 0.2}],
}
APPLIED = AppliedPipeline(
    name="diabetes",
    definition=DEFINITION,
    commit="9b1f6c0",
    features_digest="a" * 64,
    applied_at=datetime(2026, 1, 1, tzinfo=UTC),
    applied_by="admin",
)


class Report:
    """Keeps the titles of steps, and the notes."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @contextmanager
    def step(self, title: str) -> Iterator[Any]:
        """As Reporter.step."""
        self.lines.append(title)
        yield lambda _: None

    def note(self, text: str) -> None:
        """As Reporter.note."""
        self.lines.append(text)


class Api:
    """A data API that knows one pipeline."""

    def __init__(
        self, *, champion: str | None, refused: int = 0, featured: int = 0, quarantined: int = 0
    ) -> None:
        self._version = champion and SimpleNamespace(
            version=champion, receipt_id="r", metrics={"r2": 0.4, "mae": 3.0}, format="onnx"
        )
        self._refused = refused
        self._made = (featured, quarantined)

    def model_status(self, _: str) -> Any:
        """As DataApi.model_status."""
        return SimpleNamespace(champion=self._version, candidate=None)

    def features_progress(self, *_: str, **__: Any) -> FeaturesProgress:
        """As DataApi.features_progress; nothing waits for etl."""
        featured, quarantined = self._made
        return FeaturesProgress(
            digest="a" * 64,
            ready=True,
            waiting_requests=0,
            featured=featured,
            quarantined=quarantined,
            failure=None,
            mark=1,
        )

    def receipt(self, _: str) -> Any:
        """As DataApi.receipt."""
        return SimpleNamespace(server_role="standby", lsn="0/4B", rows=442)

    def import_rows(self, _: str, body: bytes, **__: str) -> ImportResult:
        """As DataApi.import_rows."""
        accepted = len(body.splitlines()) - self._refused
        return ImportResult(
            key="k",
            accepted=accepted,
            quarantined=self._refused,
            first_reasons=[],
            topic="t",
            last_offset=None,
        )


class Serving:
    """Answers with one version."""

    def predict(self, name: str, rows: list[Any]) -> PredictedRows:
        """As ServingClient.predict."""
        return PredictedRows(id="1", model=name, version="7", predictions=[1.0] * len(rows))


ROWS = [{"age": age, "progression": 1.0, "patient": "p"} for age in (50, 60)]


def tour(
    home: Path, api: Api, *, rows: list[dict[str, Any]] = ROWS
) -> tuple[PipelineTour, TourContext, Report]:
    """The tour of `diabetes` in that home."""
    report = Report()
    examples = SimpleNamespace(rows=lambda *_, **__: rows)
    fields = {
        "stack": SimpleNamespace(state=SimpleNamespace(ready=True)),
        "report": report,
        "began": 0.0,
        "progress": Progress(home),
        "summary": Summary(),
        "examples": examples,
        "admin": api,
        "api": api,
        "serving": Serving(),
    }
    context = TourContext(**cast("Any", fields))
    return PipelineTour(context, APPLIED), context, report


def test_a_version_of_before_answers_without_a_training(tmp_path: Path) -> None:
    """At a second start the champion is shown with what it was trained on."""
    Progress(tmp_path).set("history", "diabetes")
    taken, context, report = tour(tmp_path, Api(champion="7"))
    taken.first_version()
    line = context.summary.pipelines["diabetes"]

    assert ["diabetes: version 7 answers"] == report.lines
    assert (["7"], [442], {"r2": 0.4}) == (line.versions, line.training_rows, line.metrics)


def test_a_pipeline_without_rows_is_left_with_a_hint(tmp_path: Path) -> None:
    """A pipeline of the user's own has no history yet: the tour says what to do, and goes on."""
    Progress(tmp_path).set("history", "diabetes")
    taken, _, report = tour(tmp_path, Api(champion=None))
    taken.first_version()

    assert [
        "diabetes: no version yet; import rows, then `mlplatform train diabetes`"
    ] == report.lines


def test_an_import_that_loses_rows_ends_the_tour(tmp_path: Path) -> None:
    """A refused row of an example is a broken claim; the next start imports again."""
    taken, _, _ = tour(tmp_path, Api(champion=None, refused=1))

    with pytest.raises(PlatformError, match="diabetes: the import refused rows"):
        taken.first_version()
    assert not Progress(tmp_path).done("history", "diabetes")


@pytest.mark.parametrize(
    ("featured", "quarantined", "broken"),
    [
        (1, 1, "diabetes: 1 rows of the example went to quarantine"),
        (1, 0, "diabetes: only 1 of 2 imported rows became features"),
    ],
)
def test_history_that_does_not_become_features_ends_the_tour(
    tmp_path: Path, featured: int, quarantined: int, broken: str
) -> None:
    """Every row of an example has to be featured; the next start imports again."""
    taken, _, _ = tour(tmp_path, Api(champion=None, featured=featured, quarantined=quarantined))

    with pytest.raises(PlatformError, match=broken):
        taken.first_version()
    assert not Progress(tmp_path).done("history", "diabetes")


def test_history_is_imported_before_a_version_answers(tmp_path: Path) -> None:
    """The tour goes on when etl is past the import, also of rows that it had before."""
    taken, context, _ = tour(tmp_path, Api(champion="7", featured=2))
    taken.first_version()

    assert Progress(tmp_path).done("history", "diabetes")
    assert 2 == context.summary.pipelines["diabetes"].imported


def test_an_own_pipeline_with_the_name_of_an_example_is_left_alone(tmp_path: Path) -> None:
    """Its columns are others: no example row is imported into it."""
    taken, context, report = tour(tmp_path, Api(champion=None), rows=[{"s1": 0.1, "target": 1.0}])
    taken.first_version()

    assert 0 == context.summary.pipelines["diabetes"].imported
    assert ["diabetes: no version yet"] == [line.partition(";")[0] for line in report.lines]
