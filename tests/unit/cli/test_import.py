"""`mlplatform import`: it says what is known, and with --wait what etl found."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from mlplatform.cli import import_rows, import_source
from mlplatform.cli.main import application
from mlplatform.contracts.imports import ImportRefusal, ImportResult
from mlplatform.contracts.pipeline_status import FeaturesProgress
from mlplatform.contracts.quarantine import Quarantined
from mlplatform.errors import SettingsError, Unavailable

DIGEST = "a" * 64
UNREADABLE = ImportRefusal(record=17, field="", reason="it has 3 fields")


class Api:
    """A data API that takes 429 rows of a file; etl deals with some of them at once."""

    def __init__(self, *, featured: int, quarantined: int, waiting: int = 0) -> None:
        self._made = (featured, quarantined, waiting)
        self._imported = False
        self.refused: list[ImportRefusal] = []

    def pipeline(self, _: str) -> Any:
        """As DataApi.pipeline."""
        return SimpleNamespace(features_digest=DIGEST)

    def features_progress(self, *_: str, **__: Any) -> FeaturesProgress:
        """As DataApi.features_progress."""
        featured, quarantined, waiting = self._made if self._imported else (0, 0, 0)
        return FeaturesProgress(
            digest=DIGEST,
            ready=not waiting,
            waiting_requests=waiting,
            featured=1_000 + featured,
            quarantined=quarantined,
            failure=None,
            mark=1,
        )

    def import_rows(self, *_: Any, **__: str) -> ImportResult:
        """As DataApi.import_rows."""
        self._imported = True
        return ImportResult(
            key="k",
            accepted=429,
            quarantined=len(self.refused),
            first_reasons=self.refused,
            topic="import:diabetes",
            last_offset=1,
        )

    def quarantine(self, *_: str, **__: int) -> list[Quarantined]:
        """As DataApi.quarantine."""
        entry = Quarantined(
            id=1,
            pipeline="diabetes",
            digest=DIGEST,
            request_id=None,
            row=0,
            column_name="bmi",
            reason="1000 is above 80 kg/m2",
            payload={},
            at=datetime(2026, 1, 1, tzinfo=UTC),
            redrive_at=None,
        )
        return [entry] * min(1, self._made[1]) if self._imported else []


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """A file with something in it."""
    file = tmp_path / "history.ndjson"
    file.write_text("{}\n")
    return file


def imported(monkeypatch: pytest.MonkeyPatch, api: Api, file: Path, *options: str) -> Result:
    """The command, on that data API."""

    @contextmanager
    def dataapi(_: str) -> Iterator[Api]:
        yield api

    monkeypatch.setattr(import_rows, "connect", lambda _: SimpleNamespace(dataapi=dataapi))
    return CliRunner().invoke(application([]), ["import", "diabetes", str(file), *options])


def test_nothing_is_said_of_rows_that_etl_has_not_checked(
    monkeypatch: pytest.MonkeyPatch, history: Path
) -> None:
    """Accepted rows may still go to quarantine, so no number of quarantined ones is printed."""
    ended = imported(monkeypatch, Api(featured=0, quarantined=0), history)

    assert (0, "429 rows accepted; etl will check them\n") == (ended.exit_code, ended.stdout)


def test_records_that_cannot_be_read_are_named_at_once(
    monkeypatch: pytest.MonkeyPatch, history: Path
) -> None:
    """What is in quarantine already is named with place and reason."""
    api = Api(featured=0, quarantined=0)
    api.refused = [UNREADABLE]
    ended = imported(monkeypatch, api, history)

    assert [
        "429 rows accepted; etl will check them",
        "1 could not be read and went to quarantine",
        "  record 17: it has 3 fields",
    ] == ended.stdout.splitlines()


@pytest.mark.parametrize(
    ("featured", "quarantined", "said"),
    [
        (
            427,
            2,
            ["etl has checked them: 427 featured, 2 quarantined", "  bmi: 1000 is above 80 kg/m2"],
        ),
        (
            29,
            0,
            [
                "etl has checked them: 29 featured, 0 quarantined",
                "the other 400 were imported before",
            ],
        ),
        (
            500,
            0,
            [
                "etl has checked them: 500 featured, 0 quarantined",
                "other rows of the pipeline that etl checked meanwhile are counted too",
            ],
        ),
        (
            0,
            0,
            ["etl has checked them all before this import; `mlplatform balance` counts them"],
        ),
    ],
)
def test_wait_says_what_became_of_the_rows(
    monkeypatch: pytest.MonkeyPatch,
    history: Path,
    featured: int,
    quarantined: int,
    said: list[str],
) -> None:
    """With --wait the command ends when etl has checked the rows, and says what it found."""
    api = Api(featured=featured, quarantined=quarantined)
    ended = imported(monkeypatch, api, history, "--wait")

    assert (0, ["429 rows accepted; etl will check them", *said]) == (
        ended.exit_code,
        ended.stdout.splitlines(),
    )


def test_an_etl_that_does_not_come_is_an_error(
    monkeypatch: pytest.MonkeyPatch, history: Path
) -> None:
    """After --timeout the command fails with what waits; the rows are reported as accepted."""
    api = Api(featured=0, quarantined=0, waiting=429)
    ended = imported(monkeypatch, api, history, "--wait", "--timeout", "0")

    assert isinstance(ended.exception, Unavailable)
    assert "after 0 s: 429 requests wait" in str(ended.exception)
    assert "429 rows accepted; etl will check them\n" == ended.stdout


def test_json_keeps_its_fields(monkeypatch: pytest.MonkeyPatch, history: Path) -> None:
    """Scripts read the same fields as before; --wait adds one."""
    plain = imported(monkeypatch, Api(featured=0, quarantined=0), history, "--json")
    api = Api(featured=427, quarantined=2)
    waited = json.loads(imported(monkeypatch, api, history, "--json", "--wait").stdout)
    etl = waited.pop("etl")

    assert {"accepted": 429, "quarantined": 0, "first_reasons": []} == waited
    assert waited == json.loads(plain.stdout)
    assert (427, 2, True) == (etl["featured"], etl["quarantined"], etl["only_these_rows"])
    assert ["1000 is above 80 kg/m2"] == [each["reason"] for each in etl["first_quarantined"]]


def test_a_bound_without_a_wait_is_refused(monkeypatch: pytest.MonkeyPatch, history: Path) -> None:
    """--timeout alone would be ignored; nothing is imported."""
    ended = imported(monkeypatch, Api(featured=0, quarantined=0), history, "--timeout", "5")

    assert 2 == ended.exit_code
    assert "--wait" in ended.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "give files, or --sql"),
        (["rows.csv", "--sql", "SELECT 1"], "give files, or --sql"),
        (["rows.csv", "--dsn", "host=db"], "it is where --sql runs"),
        (["--sql", "SELECT 1", "--without", "a"], "the SELECT says which columns"),
    ],
)
def test_rows_come_from_files_or_from_a_query(words: list[str], said: str) -> None:
    """What does not fit together is refused before anything is called."""
    ended = CliRunner().invoke(application([]), ["import", "diabetes", *words])

    assert 2 == ended.exit_code
    assert said in " ".join(ended.output.replace("│", " ").split())


def test_a_query_without_its_libraries_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The core package reads files only."""
    monkeypatch.setitem(sys.modules, "mlplatform.database.query_source", None)

    with pytest.raises(SettingsError, match=r"mlplatform\[data\]"):
        import_source.query_source()
