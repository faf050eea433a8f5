"""Chunks of an import: the same rows as records one by one, whatever a body holds."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.dataapi.rows import arrow, csv
from mlplatform.dataapi.rows import chunk as chunks
from mlplatform.dataapi.rows.chunk import Chunk, Records, Rows, one_by_one
from mlplatform.dataapi.rows.record import Record
from mlplatform.features.cell_columns import convert_all
from mlplatform.features.cells import convert

DEFINITION = PipelineDefinition.parse(
    {
        "name": "flowers",
        "description": "Which flower it is.",
        "task": "regression",
        "columns": [
            {"name": "a", "dtype": "float64", "nullable": True},
            {"name": "b", "dtype": "string"},
            {"name": "c", "dtype": "int64"},
        ],
        "target": {"name": "y", "dtype": "float64"},
        "tuning": {"metric": "r2"},
        "gates": [{"metric": "r2", "min": 0.5}],
    }
)
CELLS = st.sampled_from(
    ["1", "1.5", "-0", "-0.0", "", " 7 ", "1e400", "nan", "+3", ".5", "5.", "1_0", "x", "\u0663",
     "2025-01-02 ", "2025-01-02T03:04:05Z", "123e-5", "\u0662\u0660\u0662\u0665-01"]
)  # fmt: skip
LINES = st.sampled_from(
    [
        "1,a,2,3", "1.5,b,3,4", "", '"1","b",2,3', '1,"b\nc",2,3', '1,"b",2', 'x"y,b,2,3', "1,2",
        "-0,b,-0,1e400", '1,"b"c,2,3', "1,\0,2,3", "1,\udcff,2,3", '1,"open,2,3',
    ]
)  # fmt: skip


def _told(found: Iterable[Chunk]) -> list[Any]:
    told: list[Any] = []
    for chunk in found:
        rows = [(request.rows, request.inputs) for request in chunk.requests()]
        told += [rows, list(chunk.refused()), chunk.accepted(), chunk.last]
    return told


@given(st.lists(LINES, max_size=14), st.integers(1, 5))
@example(["1,a,2,3"] * 3 + ['1,"b\nc",2,3'], 4)
def test_csv_in_chunks_is_what_its_records_are(lines: list[str], size: int) -> None:
    """Whatever the lines hold, every record is in one chunk, with the same number and reason."""
    body = ("a,b,c,y\n" + "".join(f"{line}\n" for line in lines)).encode("utf-8", "surrogateescape")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv, "CHUNK", size)
        found = list(csv.chunks(io.BytesIO(body), DEFINITION))
    expected = list(csv.read(io.BytesIO(body), DEFINITION))
    refused = [record for chunk in found for record in chunk.refused()]
    values = [row for chunk in found for row in _rows(chunk)]

    assert [record for record in expected if record.reason] == refused
    assert [dict(each.values) for each in expected if not each.reason] == values
    assert len(expected) == (found[-1].last if found else 0)


def _rows(chunk: Chunk) -> list[dict[str, Any]]:
    if isinstance(chunk, Records):
        return [dict(record.values) for record in chunk.records if not record.reason]
    assert isinstance(chunk, Rows)
    return [
        dict(zip(chunk.columns, each, strict=True))
        for each in zip(*chunk.columns.values(), strict=True)
    ]


@given(
    st.lists(CELLS | st.floats().map(str) | st.integers().map(str), min_size=1, max_size=30),
    st.sampled_from(["float64", "int64", "bool", "string", "required text", "time"]),
)
@example(["-0", "1", "2", "3", "4"], "float64")
@example(["9" * 19, "1"], "int64")
@example(["2025-01-02 ", "2025-01-02"], "time")
def test_a_column_is_what_its_cells_are(texts: list[str], kind: Any) -> None:
    """Every value of a whole column has the type and the sign that it has alone."""
    assert list(map(repr, [convert(text, kind) for text in texts])) == list(
        map(repr, convert_all(texts, kind))
    )


@given(
    st.lists(st.none() | st.floats() | st.just(float("inf")), min_size=1, max_size=8),
    st.sampled_from(["x", "\0"]),
    st.integers(1, 5),
)
def test_arrow_in_chunks_is_what_its_records_are(
    numbers: list[float | None], text: str, size: int
) -> None:
    """The same for Arrow, with numbers and texts that a row can't hold."""
    table = pa.table({"a": numbers, "b": [text] * len(numbers), "c": [1] * len(numbers)})
    body = io.BytesIO()
    with pa.ipc.new_stream(body, table.schema) as writer:
        writer.write_table(table)
    body.seek(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrow, "CHUNK", size)
        patch.setattr(chunks, "CHUNK", size)
        found = _told(arrow.chunks(body, DEFINITION))
        body.seek(0)
        expected = _told(one_by_one(arrow.read(body, DEFINITION)))

    assert expected == found


@given(st.integers(0, 7))
def test_what_is_done_is_left_out(done: int) -> None:
    """Of a chunk that was stored in part the rest is the same in both kinds."""
    values = list(range(5))
    columns = Rows(3, {"a": values})
    records = Records([Record(3 + value, {"a": value}) for value in values])

    assert [value for value in values if 3 + value > done] == [
        row["a"] for row in _rows(columns.after(done))
    ]
    assert _told([records])[:1] == _told([columns])[:1]
    assert len(records.after(done).records) == columns.after(done).accepted()
