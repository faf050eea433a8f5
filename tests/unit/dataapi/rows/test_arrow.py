"""Arrow bodies become records: nothing in them turns into another value."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.dataapi.rows import arrow
from mlplatform.dataapi.rows.record import Record
from mlplatform.errors import InvalidInput

DEFINITION = PipelineDefinition.parse(
    {
        "name": "flowers",
        "description": "Size of a flower.",
        "task": "regression",
        "columns": [{"name": "a", "dtype": "float64", "nullable": True}],
        "target": {"name": "y", "dtype": "float64", "unit": "cm"},
        "tuning": {"metric": "r2"},
        "gates": [{"metric": "r2", "min": 0}],
    }
)
OUTSIDE = "its time is not between the years 1900 and 2200"
UNKNOWN = "its time zone 'Mars/Olympus' is unknown; send UTC or a name of the tz database"


def _records(column: pa.Array, *, file: bool = False) -> list[Record]:
    table = pa.table({"a": column})
    body = io.BytesIO()
    with (pa.ipc.new_file if file else pa.ipc.new_stream)(body, table.schema) as writer:
        writer.write_table(table)
    body.seek(0)
    return list(arrow.read(body, DEFINITION))


def _values(column: pa.Array, *, file: bool = False) -> list[Any]:
    return [json.loads(each.inputs)["a"][0] for each in _records(column, file=file)]


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (pa.array([1.0, np.inf, None]), "is infinite"),
        (pa.array([1.0, -np.inf, None], pa.float32()), "is infinite"),
        (pa.array(np.array([1, np.inf, 2], dtype=np.float16)), "is infinite"),
        (pa.array([0, 10**15, None], pa.timestamp("s")), OUTSIDE),
        (pa.array([0, 2**62, None], pa.timestamp("s", "UTC")), OUTSIDE),
        (pa.array([0, -(2**62), None], pa.timestamp("ms")), OUTSIDE),
        (pa.array([0, 2**63 - 1, None], pa.timestamp("us", "Europe/Berlin")), OUTSIDE),
        (pa.array([0, 2**31 - 1, None], pa.date32()), OUTSIDE),
        (pa.array([0, 86_400_000 * 10**10, None], pa.date64()), OUTSIDE),
        (pa.array([None, 7, None], pa.timestamp("us", "Mars/Olympus")), UNKNOWN),
        (pa.array([0, 10**15, None], pa.timestamp("s")).dictionary_encode(), OUTSIDE),
    ],
)
def test_a_value_that_cannot_be_kept_is_refused_with_row_and_reason(
    column: pa.Array, reason: str
) -> None:
    """Infinities, far times and unknown zones never become null, 1970 or an error of the server."""
    records = _records(column)

    assert [(1, "", ""), (2, reason, "a"), (3, "", "")] == [
        (record.number, record.reason, record.column) for record in records
    ]
    assert "" != records[1].text
    assert "" == records[1].inputs


@pytest.mark.parametrize("file", [False, True], ids=["stream", "file"])
@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array(["x", None], pa.string_view()), ["x", None]),
        (pa.array(["x", None], pa.large_string()), ["x", None]),
        (pa.array(["x", None]).dictionary_encode(), ["x", None]),
        (pa.array([Decimal("1.5"), None]), [1.5, None]),
        (pa.array([Decimal(2**63), Decimal(-7)], pa.decimal256(40, 2)), [2**63, -7]),
        (pa.array([2**64 - 1, 0], pa.uint64()), [2**64 - 1, 0]),
        (pa.array(np.array([1.5, np.nan], dtype=np.float16)), [1.5, None]),
        (pa.nulls(2), [None, None]),
        (pa.array([date(2025, 1, 2), None]), ["2025-01-02", None]),
        (pa.array([date(2025, 1, 2), None], pa.date64()), ["2025-01-02", None]),
        (pa.array([1735786800 * 10**9], pa.timestamp("ns")), ["2025-01-02T03:00:00"]),
        (pa.array([1735786800], pa.timestamp("s")), ["2025-01-02T03:00:00"]),
        (
            pa.array([datetime(2025, 1, 2, 3, tzinfo=UTC)], pa.timestamp("ms", "+02:00")),
            ["2025-01-02T05:00:00+02:00"],
        ),
    ],
)
def test_values_arrive_as_they_were(column: pa.Array, expected: list[Any], *, file: bool) -> None:
    """Texts of Polars, decimals, half floats and times of every unit, as a stream and as a file."""
    assert expected == _values(column, file=file)


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.int64()), pa.struct([("b", pa.int64())]), pa.binary()]
)
def test_a_type_that_no_row_holds_is_refused_with_its_column(kind: pa.DataType) -> None:
    """Nested and binary columns are named before a row is read."""
    with pytest.raises(InvalidInput, match="a row can't hold the type") as refused:
        _records(pa.nulls(1).cast(kind))

    assert "a" == refused.value.field


@pytest.mark.parametrize("file", [False, True], ids=["stream", "file"])
def test_a_body_that_is_cut_is_refused_whole(*, file: bool) -> None:
    """Half a stream or file brings in no row."""
    table = pa.table({"a": [1.0, 2.0]})
    body = io.BytesIO()
    with (pa.ipc.new_file if file else pa.ipc.new_stream)(body, table.schema) as writer:
        writer.write_table(table)

    with pytest.raises(InvalidInput, match="not a whole Arrow stream or file"):
        list(arrow.read(io.BytesIO(body.getvalue()[:-100]), DEFINITION))


def test_rows_without_columns_are_refused_one_by_one() -> None:
    """A body of rows that hold nothing is not an import of no rows."""
    batch = pa.RecordBatch.from_struct_array(pa.array([{}, {}], pa.struct([])))
    body = io.BytesIO()
    with pa.ipc.new_stream(body, batch.schema) as writer:
        writer.write_batch(batch)
    body.seek(0)

    assert ["it has no fields"] * 2 == [record.reason for record in arrow.read(body, DEFINITION)]
