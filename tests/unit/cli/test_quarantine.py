"""`mlplatform quarantine`: which entries its options mean, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from mlplatform.cli import quarantine
from mlplatform.contracts.quarantine import (
    Corrected,
    Dropped,
    QuarantineCount,
    Quarantined,
    Redriven,
    Skipped,
)

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def entry(number: int, **changes: Any) -> Quarantined:
    """An entry of a row."""
    values: dict[str, Any] = {
        "id": number,
        "pipeline": "loans",
        "digest": "d" * 64,
        "request_id": "018f0000-0000-7000-8000-000000000000",
        "row": 3,
        "column_name": "income",
        "reason": "-5 is below 0",
        "payload": {"income": -5},
        "at": AT,
        "redrive_at": None,
    }
    return Quarantined.model_validate(values | changes)


class Api:
    """Notes what is asked for; holds entries 1 to 2,500."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any, Any, dict[str, Any]]] = []
        self.skipped: list[Skipped] = []

    def quarantine(
        self, name: str | None, *, limit: int, before: int | None, **wanted: Any
    ) -> list[Quarantined]:
        """A page."""
        self.calls.append(("quarantine", name, limit, wanted))
        last = 2_500 if before is None else before - 1
        return [entry(number) for number in range(last, max(0, last - limit), -1)]

    def quarantine_counts(self, name: str | None, **wanted: Any) -> list[QuarantineCount]:
        """One reason."""
        found = {
            "pipeline": "loans",
            "kind": "row",
            "column_name": "income",
            "reason": "… is below 0",
            "entries": 2_500,
            "newest": AT,
            "newest_id": 2_500,
        }
        self.calls.append(("counts", name, None, wanted))
        return [QuarantineCount.model_validate(found)]

    def quarantine_entry(self, number: int) -> Quarantined:
        """That one."""
        return entry(number)

    def redrive(self, pipeline: str | None, ids: list[int] | None, **more: Any) -> Redriven:
        """Two of them."""
        self.calls.append(("redrive", pipeline, ids, more))
        return Redriven(redriven=2, skipped=self.skipped)

    def correct_quarantined(self, number: int, fields: dict[str, Any], **more: Any) -> Corrected:
        """That one, with what was given."""
        self.calls.append(("correct", number, fields, more))
        found = {"pipeline": "loans", "request_id": entry(number).request_id, "row": 3}
        return Corrected.model_validate(
            found | {"fields": {**fields, **more["texts"]}, "redriven": 1}
        )

    def drop_quarantined(self, pipeline: str | None, ids: list[int] | None, **more: Any) -> Dropped:
        """One of them."""
        self.calls.append(("drop", pipeline, ids, more))
        return Dropped(dropped=1, skipped=self.skipped)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    """What the commands talk to."""
    found = Api()

    @contextmanager
    def dataapi(_: str) -> Iterator[Api]:
        yield found

    monkeypatch.setattr(quarantine, "connect", lambda _: SimpleNamespace(dataapi=dataapi))
    return found


def run(*arguments: str, ends: int = 0) -> str:
    """What a command prints."""
    found = CliRunner().invoke(quarantine.app, list(arguments))
    assert ends == found.exit_code, found.output
    return found.output


def test_a_list_is_read_page_by_page(api: Api) -> None:
    """The newest entries, as many as were asked for, and how often for which reason."""
    shown = run("list", "loans", "--limit", "1500", "--column", "income")
    pages = [(name, limit) for kind, name, limit, _ in api.calls if kind == "quarantine"]

    assert [("loans", 1_000), ("loans", 500)] == pages
    assert "income" == api.calls[0][3]["column"]
    assert "… is below 0" in shown
    assert (True, True, False) == ("2500 " in shown, "1001 " in shown, "1000 " in shown)


def test_one_entry_is_shown_with_its_row(api: Api) -> None:
    """The row as it came."""
    assert '"income": -5' in run("show", "7")
    assert 7 == json.loads(run("show", "7", "--json"))["id"]


def test_a_time_is_utc_unless_it_says_otherwise(api: Api) -> None:
    """What is no time is refused by the option's name."""
    run("redrive", "-p", "loans", "--since", "2026-03-01T12:00:00")

    assert AT == api.calls[0][3]["since"]
    found = CliRunner().invoke(quarantine.app, ["redrive", "-p", "loans", "--since", "soon"])
    assert "--since" == getattr(found.exception, "field", None)


def test_a_decision_says_what_it_did(api: Api) -> None:
    """Named entries, or those that the filters mean; a dry run says so."""
    assert "2 entries will be tried again by etl" in run("redrive", "4", "5")
    assert "2 entries would be tried again" in run("redrive", "-p", "loans", "--dry-run")
    assert "1 entry dropped" in run("drop", "4", "--why", "a test customer")
    assert [[4, 5], None, [4]] == [ids for _, _, ids, _ in api.calls]
    assert "a test customer" == api.calls[-1][3]["why"]


def test_a_drop_must_say_why(api: Api) -> None:
    """Nothing is asked of the data API without it."""
    run("drop", "4", ends=2)

    assert [] == api.calls


def test_named_entries_that_are_left_end_with_1(api: Api) -> None:
    """Each with its reason."""
    api.skipped = [Skipped(id=4, reason="it is resolved already")]

    assert "4: it is resolved already" in run("redrive", "4", ends=1)
    assert "4: it is resolved already" in run("drop", "4", "--why", "x", ends=1)


def test_a_correction_is_given_as_fields_or_as_a_file(api: Api, tmp_path: Path) -> None:
    """Texts of --set are read by the data API, which knows the types; a file holds values."""
    file = tmp_path / "row.json"
    file.write_text('{"income": 5, "city": null}')
    shown = run("correct", "4", "--set", "income=5", "--set", "note=a=b", "--why", "a typo")
    run("correct", "4", "--file", str(file), "--why", "sent again")

    assert "row 3 of 018f0000-0000-7000-8000-000000000000 will be made anew by etl" in shown
    assert [
        ("correct", 4, {}, {"texts": {"income": "5", "note": "a=b"}, "why": "a typo"}),
        ("correct", 4, {"income": 5, "city": None}, {"texts": {}, "why": "sent again"}),
    ] == api.calls


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["--set", "income"], "--set"),
        (["--set", "a=1", "--set", "a=2"], "--set"),
        (["--file", "nowhere.json"], "--file"),
        (["--file", "list.json"], "--file"),
        (["--file", "broken.json"], "--file"),
        (["--file", "twice.json"], "--file"),
    ],
)
def test_a_correction_that_can_not_be_read_names_its_option(
    api: Api, arguments: list[str], field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is asked of the data API."""
    monkeypatch.chdir(tmp_path)
    Path("list.json").write_text("[1]")
    Path("broken.json").write_text("{")
    Path("twice.json").write_text('{"a": 1, "a": 2}')
    found = CliRunner().invoke(quarantine.app, ["correct", "4", "--why", "x", *arguments])

    assert field == getattr(found.exception, "field", None)
    assert [] == api.calls
