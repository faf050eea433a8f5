"""`mlplatform deadletters`: which letters its options mean, what it shows, and how it ends."""

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

from mlplatform.cli import deadletters
from mlplatform.contracts.dead_letters import (
    LetterCount,
    LettersDropped,
    LettersRedriven,
    ListedLetter,
    ShownLetter,
)
from mlplatform.contracts.quarantine import Skipped

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
OUTBOX = "018f0000-0000-7000-8000-000000000001"


def letter(number: int) -> dict[str, Any]:
    """A letter of an unknown format."""
    return {
        "id": number,
        "kind": "unreadable",
        "pipeline": "loans",
        "outbox_id": OUTBOX,
        "sequence": number,
        "request_id": None,
        "reason": "record format 7 is neither 1 nor 2",
        "size": 9,
        "topic": "mlplatform.requests",
        "partition": 0,
        "log_offset": number,
        "at": AT,
    }


class Api:
    """Notes what is asked for; holds letters 1 to 1,200."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any, dict[str, Any]]] = []
        self.skipped: list[Skipped] = []

    def dead_letters(self, *, limit: int, before: int | None, **wanted: Any) -> list[ListedLetter]:
        """A page."""
        self.calls.append(("list", limit, wanted))
        last = 1_200 if before is None else before - 1
        numbers = range(last, max(0, last - limit), -1)
        return [ListedLetter.model_validate(letter(number)) for number in numbers]

    def dead_letter_counts(self, **wanted: Any) -> list[LetterCount]:
        """One reason."""
        found = {"kind": "unreadable", "pipeline": None, "reason": "record format … is neither"}
        more = {"letters": 1_200, "newest": AT, "newest_id": 1_200}
        self.calls.append(("counts", None, wanted))
        return [LetterCount.model_validate(found | more)]

    def dead_letter(self, number: int) -> ShownLetter:
        """That one."""
        payload = '{"format":7}' if number == 7 else "no JSON"
        return ShownLetter.model_validate(
            letter(number) | {"payload": payload, "encoding": "utf-8"}
        )

    def redrive_letters(self, ids: list[int] | None, **more: Any) -> LettersRedriven:
        """Two of them."""
        self.calls.append(("redrive", ids, more))
        return LettersRedriven(redriven=2, still_dead=len(self.skipped), skipped=self.skipped)

    def drop_letters(self, ids: list[int] | None, **more: Any) -> LettersDropped:
        """One of them."""
        self.calls.append(("drop", ids, more))
        return LettersDropped(dropped=1, skipped=self.skipped)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    """What the commands talk to."""
    found = Api()

    @contextmanager
    def dataapi() -> Iterator[Api]:  # as an administrator: nobody else may
        yield found

    monkeypatch.setattr(deadletters, "connect", lambda _: SimpleNamespace(dataapi=dataapi))
    return found


def run(*arguments: str, ends: int = 0) -> str:
    """What a command prints."""
    found = CliRunner().invoke(deadletters.app, list(arguments))
    assert ends == found.exit_code, found.output
    return found.output


def test_a_list_is_read_page_by_page(api: Api) -> None:
    """Counts and letters take the same filter, by the names that the data API has for it."""
    shown = run("list", "-n", "1100", "--kind", "unreadable", "-p", "loans", "--outbox", OUTBOX)
    wanted = api.calls[0][2]

    assert [1_000, 100] == [limit for call, limit, _ in api.calls if call == "list"]
    assert all(wanted == each for _, _, each in api.calls)
    assert ("unreadable", "loans", OUTBOX) == (
        wanted["kind"],
        wanted["pipeline"],
        wanted["outbox_id"],
    )
    assert "record format … is neither" in shown
    assert f"{OUTBOX} 1200" in shown


def test_a_payload_is_shown_readable(api: Api) -> None:
    """Indented where it is JSON, as it is otherwise."""
    assert '{\n  "format": 7\n}' in run("show", "7")
    assert "no JSON" in run("show", "8")
    assert '{"format":7}' == json.loads(run("show", "7", "--json"))["payload"]


def test_a_decision_says_what_it_did(api: Api, tmp_path: Path) -> None:
    """Named letters, those that a filter means, or a corrected record for one."""
    file = tmp_path / "corrected.json"
    file.write_text('{"format": 1}')

    assert "2 dead letters stored as requests" in run("redrive", "4", "5")
    assert "2 dead letters would be tried again" in run("redrive", "--kind", "refused", "--dry-run")
    run("redrive", "4", "--file", str(file), "--why", "mended")
    assert "1 dead letter dropped" in run("drop", "4", "--why", "noise")
    assert [[4, 5], None, [4], [4]] == [ids for _, ids, _ in api.calls]
    assert ("refused", '{"format": 1}') == (api.calls[1][2]["kind"], api.calls[2][2]["payload"])


def test_a_drop_must_say_why(api: Api) -> None:
    """Nothing is asked of the data API without it."""
    run("drop", "4", ends=2)

    assert [] == api.calls


def test_letters_that_are_left_end_with_1(api: Api) -> None:
    """Each with its reason."""
    api.skipped = [Skipped(id=4, reason="it is not a request record")]
    shown = run("redrive", "4", ends=1)

    assert "1 dead letter still can't be stored" in shown
    assert "4: it is not a request record" in shown
    assert "4: it is not a request record" in run("drop", "4", "--why", "x", ends=1)


def test_a_file_that_can_not_be_read_is_named(api: Api, tmp_path: Path) -> None:
    """Missing, or not a text."""
    (tmp_path / "binary").write_bytes(b"\xff")
    for name in ("nowhere", "binary"):
        found = CliRunner().invoke(
            deadletters.app, ["redrive", "4", "--file", str(tmp_path / name)]
        )
        assert "--file" == getattr(found.exception, "field", None)

    assert [] == api.calls
