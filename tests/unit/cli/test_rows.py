from __future__ import annotations

from pathlib import Path

import pytest

from mlplatform import settings
from mlplatform.cli import rows
from mlplatform.cli.connection import Platform
from mlplatform.errors import InvalidInput

NOWHERE = Platform(settings.Settings(), None)


def test_rows_of_the_command_line() -> None:
    """A JSON object is one row, a list is several."""
    assert [{"a": 1}] == rows.rows_of(NOWHERE, "p", '{"a": 1}', None)
    assert [{"a": 1}, {"a": 2}] == rows.rows_of(NOWHERE, "p", '[{"a": 1}, {"a": 2}]', None)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows.csv", "a,b,c,d\n1.5,north,true,\n"),
        ("rows.ndjson", '{"a": 1.5, "b": "north", "c": true, "d": null}\n'),
        ("rows.json", '[{"a": 1.5, "b": "north", "c": true, "d": null}]'),
    ],
)
def test_rows_of_files(
    tmp_path: Path, name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CSV, NDJSON and JSON files give the same rows: numbers are numbers, an empty cell is null."""
    monkeypatch.setattr(rows, "_without_target", lambda _platform, _name, found: found)
    (tmp_path / name).write_text(text)

    assert [{"a": 1.5, "b": "north", "c": True, "d": None}] == rows.rows_of(
        NOWHERE, "p", None, tmp_path / name
    )


def test_lines_are_rows() -> None:
    """A row a line is read as well as a list."""
    assert [{"a": 1}, {"a": 2}] == rows.from_json('{"a": 1}\n\n{"a": 2}\n', "-")
    assert [{"a": 1}] == rows.from_json('{"a": 1}\n', "-")


@pytest.mark.parametrize("text", ["[]", "[1]", "3", '"a"'])
def test_other_json_is_refused(text: str) -> None:
    """JSON that holds no rows is refused here, with what a row looks like."""
    with pytest.raises(InvalidInput, match="not rows"):
        rows.from_json(text, "--row")


def test_broken_json_is_named() -> None:
    """What is no JSON is refused with the place where it breaks."""
    with pytest.raises(InvalidInput, match="--row: not JSON: Expecting"):
        rows.rows_of(NOWHERE, "p", "{a: 1}", None)
