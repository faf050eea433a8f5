"""Bodies become records: what is sent comes out again, in order, whatever stands between."""

from __future__ import annotations

import csv as stdlib_csv
import io
import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.dataapi.rows import arrow, csv, ndjson
from mlplatform.errors import InvalidInput
from mlplatform.features.cells import convert

DEFINITION = PipelineDefinition.parse(
    {
        "name": "flowers",
        "description": "Size of a flower.",
        "task": "regression",
        "columns": [
            {"name": "a", "dtype": "string", "nullable": True},
            {"name": "b", "dtype": "string", "nullable": True},
        ],
        "target": {"name": "y", "dtype": "float64", "unit": "cm"},
        "tuning": {"metric": "r2"},
        "gates": [{"metric": "r2", "min": 0}],
    }
)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=20))
def test_csv_brings_every_text_through(rows: list[tuple[str, str]]) -> None:
    """Texts with commas, quotes, line breaks and any letter arrive as they were.

    An empty one is null.
    """
    body = io.StringIO()
    writer = stdlib_csv.writer(body, quoting=stdlib_csv.QUOTE_ALL)
    writer.writerows([("a", "b"), *rows])
    records = list(csv.read(io.BytesIO(body.getvalue().encode()), DEFINITION))

    assert [{"a": [a or None], "b": [b or None]} for a, b in rows] == [
        json.loads(record.inputs) for record in records
    ]
    assert list(range(1, len(rows) + 1)) == [record.number for record in records]


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=30).map(lambda data: data.replace(b"\n", b"")), st.just(b'{"a":1}')
        )
    )
)
def test_ndjson_loses_no_line(lines: list[bytes]) -> None:
    """Every line that is not empty is a record.

    Readable with inputs, or with a reason and what was sent.
    """
    records = list(ndjson.read(io.BytesIO(b"\n".join(lines)), DEFINITION))
    sent = [line.strip() for line in lines if line.strip()]

    assert len(sent) == len(records)
    for line, record in zip(sent, records, strict=True):
        assert bool(record.inputs) != bool(record.reason)
        assert record.inputs or record.text == line.decode("utf-8", "backslashreplace")


def test_a_body_stays_open_after_reading() -> None:
    """Reading a CSV does not close the file that the caller owns."""
    body = io.BytesIO(b"a,b\n1,2\n")
    list(csv.read(body, DEFINITION))

    assert not body.closed


def test_a_header_in_another_encoding_is_refused() -> None:
    """A header that is not UTF-8 is named as such: its columns can't be named."""
    with pytest.raises(InvalidInput, match="not UTF-8"):
        list(csv.read(io.BytesIO("a,größe\n1,2\n".encode("cp1252")), DEFINITION))


@pytest.mark.parametrize(
    ("text", "dtype", "value"),
    [
        ("1.5", "float64", 1.5),
        ("nan", "float64", None),
        ("inf", "float64", "inf"),
        ("one", "float64", "one"),
        ("7", "int64", 7),
        ("7.0", "int64", 7.0),
        ("7.5", "int64", 7.5),
        (" -7", "int64", -7),
        ("1_000", "int64", "1_000"),
        ("1_000", "float64", "1_000"),
        ("9" * 400, "int64", "9" * 400),
        ("9" * 400, "float64", "9" * 400),
        ("9" * 5_000, "int64", "9" * 5_000),
        ("True", "bool", True),
        ("0", "bool", False),
        ("yes", "bool", "yes"),
        ("", "string", None),
        ("07", "string", "07"),
        ("2025-01-02", "time", "2025-01-02"),
        ("1700000000", "time", 1700000000.0),
        ("noon", "time", "noon"),
        ("inf", "time", "inf"),
        (" 2025-01-02T24:00z ", "time", "2025-01-02T24:00z"),
        ("2025010291230", "time", 2025010291230.0),
        ("20250102", "time", 20250102),
        ("", "required text", ""),
        (" ", "required text", " "),
        ("", "float64", None),
        ("-NaN", "int64", None),
        ("+5", "float64", 5.0),
        (" .5e1 ", "float64", 5.0),
        ("007", "int64", 7),
        ("1e3", "int64", 1000.0),
        ("1E400", "float64", "1E400"),
        ("0x10", "int64", "0x10"),
        ("\u0663", "int64", "\u0663"),
        ("\u0663", "float64", "\u0663"),
        ("\u00b2", "int64", "\u00b2"),
        ("NULL", "float64", "NULL"),
        ("1\n", "string", "1\n"),
        (" TRUE ", "bool", True),
        ("1.0", "bool", "1.0"),
    ],
)
def test_csv_fields_are_converted_or_left(text: str, dtype: str | None, value: object) -> None:
    """A field gets its declared type; what can't be that stays text."""
    assert value == convert(text, dtype)  # type: ignore[arg-type]


def test_a_name_may_be_written_in_another_way() -> None:
    """`Y` is the declared y in every format, unless y is there as well; others stay as they are."""
    (line,) = csv.read(io.BytesIO(b"A,b,Y,Other one\n1,2,3,4\n"), DEFINITION)
    (row,) = ndjson.read(io.BytesIO(b'{"A": "1", "B": "2", "b": "3", "Y": 4}'), DEFINITION)
    table = pa.table({"A": ["1"], "b": ["2"], "Y": [3.0]})
    body = io.BytesIO()
    with pa.ipc.new_stream(body, table.schema) as writer:
        writer.write_table(table)
    body.seek(0)
    (batch,) = arrow.read(body, DEFINITION)

    assert {"a": ["1"], "b": ["2"], "y": [3], "Other one": ["4"]} == json.loads(line.inputs)
    assert {"a": ["1"], "B": ["2"], "b": ["3"], "y": [4]} == json.loads(row.inputs)
    assert {"a": ["1"], "b": ["2"], "y": [3.0]} == json.loads(batch.inputs)
