from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlplatform import settings
from mlplatform.cli import rows
from mlplatform.cli.connection import Platform
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.errors import InvalidInput

DEFINITION = PipelineDefinition.parse(
    {
        "name": "flowers",
        "description": "Size of a flower.",
        "task": "regression",
        "columns": [
            {"name": "a", "dtype": "float64"},
            {"name": "b", "dtype": "string"},
            {"name": "c", "dtype": "bool"},
            {"name": "d", "dtype": "float64", "nullable": True},
        ],
        "target": {"name": "y", "dtype": "float64", "unit": "cm"},
        "tuning": {"metric": "r2"},
        "gates": [{"metric": "r2", "min": 0}],
    }
)
NOWHERE = Platform(settings.Settings(), None)


def test_rows_of_the_command_line() -> None:
    """A JSON object is one row, a list is several."""
    assert [{"a": 1}] == rows.rows_of(NOWHERE, "p", '{"a": 1}', None)
    assert [{"a": 1}, {"a": 2}] == rows.rows_of(NOWHERE, "p", '[{"a": 1}, {"a": 2}]', None)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows.csv", "a,b,c,d\n1.5,north,true,\n"),
        ("rows.csv", "\ufeffa,b,c,d,y\r\n\r\n1.5,north,True,NaN,3\r\n"),
        ("rows.ndjson", '{"a": 1.5, "b": "north", "c": true, "d": null}\n'),
        ("rows.json", '\ufeff[{"a": 1.5, "b": "north", "c": true, "d": null, "y": 3}]'),
    ],
)
def test_rows_of_files(
    tmp_path: Path, name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CSV, NDJSON and JSON files give the same rows, by the declared columns; none has a target."""
    monkeypatch.setattr(rows, "_definition", lambda _platform, _name: DEFINITION)
    (tmp_path / name).write_bytes(text.encode())

    assert [{"a": 1.5, "b": "north", "c": True, "d": None}] == rows.rows_of(
        NOWHERE, "p", None, tmp_path / name
    )


@pytest.mark.parametrize("name", ["r.parquet", "r.arrow", "r.csv.gz", "r.ndjson.gz"])
def test_rows_of_every_file_that_import_takes(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parquet, Arrow and compressed files give the same rows as plain ones."""
    monkeypatch.setattr(rows, "_definition", lambda _platform, _name: DEFINITION)
    expected = [{"a": 1.5, "b": "north", "c": True, "d": None}]
    table = pa.Table.from_pylist([{**expected[0], "y": 3.0}])
    table = table.set_column(3, "d", pa.nulls(1, pa.float64()))
    if name == "r.parquet":
        pq.write_table(table, tmp_path / name)
    elif name == "r.arrow":
        with pa.ipc.new_file(tmp_path / name, table.schema) as writer:
            writer.write_table(table)
    else:
        text = "a,b,c,d,y\n1.5,north,true,,3\n"
        text = text if "csv" in name else json.dumps({**expected[0], "y": 3.0})
        (tmp_path / name).write_bytes(gzip.compress(text.encode()))

    assert expected == rows.rows_of(NOWHERE, "p", None, tmp_path / name)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("01234", "01234"),
        ("7", "7"),
        ("true", "true"),
        ("NaN", "NaN"),
        ('"b\ne"', "b\ne"),
        ('"b\r\ne"', "b\r\ne"),
        ('"say ""so"""', 'say "so"'),
        ("b\u2028e", "b\u2028e"),
        ("b\x85e", "b\x85e"),
    ],
)
def test_a_text_of_csv_stays_as_it_is(cell: str, text: str) -> None:
    """A text column holds texts, whatever they look like."""
    body = f"a,b,c\n1,{cell},false\n".encode()

    assert [{"a": 1.0, "b": text, "c": False}] == rows.from_csv(body, DEFINITION, "x.csv")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'a,b,c\n1,"b\ne",true\n1,2,true,4\n', "line 4: it has 4 fields, the header has 3"),
        (b"a,b,c\n\n1,2\n", "line 3: it has 2 fields, the header has 3"),
        (b'a,b,c\n1,"a"b,true\n', "line 2: not CSV"),
        (b"a,b,c\n1,\xff,true\n", "line 2: not UTF-8"),
        (b"a,b,c,a\n", "column 'a' is there twice"),
        (b"a,b\n", "the header lacks the column c"),
        (b"a,b,c\n", "no rows below the header"),
        (b"", "line 1: no header can be read"),
    ],
)
def test_csv_that_holds_no_rows_is_refused_with_its_line(body: bytes, message: str) -> None:
    """A bad line is named as in the file, and never a traceback."""
    with pytest.raises(InvalidInput, match=message):
        rows.from_csv(body, DEFINITION, "x.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [('{"a": 1, "a": 2}', "the key 'a' is there twice"), ('{"a": NaN}', "NaN is not a number")],
)
def test_json_with_two_meanings_is_refused(text: str, message: str) -> None:
    """A key that is there twice, and numbers that JSON doesn't know, are named."""
    with pytest.raises(InvalidInput, match=message):
        rows.from_json(text, "--row")


def test_a_text_of_json_may_hold_any_line_break() -> None:
    """Only a line feed ends a row of NDJSON."""
    assert [{"b": "x\u2028y"}, {"b": "z"}] == rows.from_json('{"b": "x\u2028y"}\n{"b": "z"}', "-")


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


LATE = PipelineDefinition.parse(
    {
        "name": "late-delivery",
        "description": "Whether a parcel is late.",
        "task": "classification",
        "columns": [
            {"name": "carrier", "dtype": "string"},
            {"name": "region", "dtype": "string", "nullable": True},
            {"name": "distance_km", "dtype": "float64", "nullable": True},
            {"name": "express", "dtype": "bool"},
        ],
        "target": {"name": "outcome", "dtype": "string"},
        "key": "parcel",
        "time": "ordered_at",
        "tuning": {"metric": "f1"},
        "gates": [{"metric": "f1", "min": 0}],
    }
)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ("north,be,300,False,late,p1,2025-01-01", ["north", "be", 300, False, "p1", "2025-01-01"]),
        ('north,"b\ne",300,false,,,', ["north", "b\ne", 300.0, False, None, None]),
        ("north,be,NaN,TRUE,,777.0,1735776000", ["north", "be", None, True, "777.0", 1735776000]),
        (",7,,0,,0777,", ["", "7", None, False, "0777", None]),
    ],
)  # fmt: skip
def test_files_that_spreadsheets_and_pandas_write_are_read(
    cells: str, expected: list[object]
) -> None:
    """False, NaN, numbers in text columns, line breaks in cells, an empty text that is required."""
    body = f"carrier,region,distance_km,express,outcome,parcel,ordered_at\n{cells}\n".encode()
    (row,) = rows.from_csv(body, LATE, "x.csv")
    row.pop("outcome")

    assert expected == list(row.values())
