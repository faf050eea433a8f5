"""`mlplatform forget`: what it asks, what it prints, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from mlplatform.cli import forget
from mlplatform.contracts.forget import Forgotten, TrainedVersion

FOUND = Forgotten(
    pipeline="loans",
    entry=7,
    requests=1,
    rows=2,
    features=1_204,
    unreadable_letters=list(range(1, 13)),
    versions=[
        TrainedVersion(version="3", state="champion", receipt_id="r-1", rows=2),
        TrainedVersion(version="", state="training", receipt_id="r-2", rows=1),
    ],
    under_way=4,
    open_imports=["a", "b"],
)
NOTHING = Forgotten(pipeline="loans", entry=8)


class Api:
    """Notes what is asked for; each key but `nobody` has rows."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bool, bool]] = []

    def forget(
        self, pipeline: str, key: str, *, why: str, dry_run: bool = False, unreadable: bool = False
    ) -> Forgotten:
        """The answer of the data API."""
        assert ("loans", "asked for it") == (pipeline, why)
        self.asked.append((key, dry_run, unreadable))
        found = NOTHING if key == "nobody" else FOUND
        return found.model_copy(update={"entry": None} if dry_run else {})


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    """Every connection leads to it."""
    made = Api()

    @contextmanager
    def dataapi() -> Iterator[Api]:
        yield made

    monkeypatch.setattr(forget, "connect", lambda _: SimpleNamespace(dataapi=dataapi))
    return made


def run(*arguments: str, typed: str = "", code: int = 0) -> Any:
    """What it printed."""
    given = ["loans", *arguments, "--why", "asked for it"]
    found = CliRunner().invoke(forget.app, given, input=typed)
    assert code == found.exit_code, found.output
    return found


def test_it_counts_asks_and_removes(api: Api) -> None:
    """In this order; what may be left and who knows it is said both times."""
    printed = run("anna", typed="y\n").stdout

    assert [("anna", True, False), ("anna", False, False)] == api.asked
    assert "1,204" in printed
    assert printed.index("WOULD BE REMOVED") < printed.index("\nREMOVED")
    assert 2 == printed.count("version 3 (champion) was trained on 2 of these rows: receipt r-1")
    assert 2 == printed.count("no version yet has read 1 of these rows: receipt r-2")
    assert 2 == printed.count("12 dead letters can't be read and may hold it: 1, 2,")
    assert 2 == printed.count("4 requests were on their way")
    assert 2 == printed.count("imports had not ended: a, b")
    assert 1 == printed.count("entry 7 of the ledger says so")


def test_who_says_no_removes_nothing(api: Api) -> None:
    """It ends with 1."""
    run("anna", typed="n\n", code=1)

    assert [("anna", True, False)] == api.asked


def test_a_dry_run_asks_nothing(api: Api) -> None:
    """Nor does it remove anything."""
    run("anna", "--dry-run", "--unreadable")
    document = json.loads(run("anna", "--dry-run", "--json").stdout)

    assert [("anna", True, True), ("anna", True, False)] == api.asked
    assert (2, ["a", "b"]) == (document["rows"], document["open_imports"])


def test_yes_asks_nothing(api: Api) -> None:
    """For scripts; the JSON is what was removed."""
    document = json.loads(run("anna", "--yes", "--json").stdout)

    assert [("anna", False, False)] == api.asked
    assert 7 == document["entry"]


def test_what_is_not_there_is_said(api: Api) -> None:
    """Nothing is asked, and it ends with 0."""
    assert "nothing of it is stored in loans\n" == run("nobody").stdout
    assert [("nobody", True, False)] == api.asked


def test_the_key_may_come_from_standard_input(api: Api) -> None:
    """Its line without the end; an empty one is refused."""
    run("-", "--yes", typed="anna b\r\n")

    assert [("anna b", False, False)] == api.asked
    assert "empty" in str(run("-", "--yes", code=1).exception)
