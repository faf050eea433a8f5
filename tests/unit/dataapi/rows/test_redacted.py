"""Records of an import into a pipeline that redacts."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.dataapi.rows import arrow, csv, ndjson
from mlplatform.dataapi.rows.chunk import Chunk, one_by_one
from mlplatform.dataapi.rows.redacted import RowRedaction
from mlplatform.errors import InvalidInput
from mlplatform.features.redact import NOT_KEPT, Redactor

DEFINITION = PipelineDefinition.parse(
    {
        "name": "loans",
        "description": "Will a loan be paid back?",
        "task": "classification",
        "columns": [
            {"name": "ssn", "dtype": "string"},
            {"name": "note", "dtype": "string", "nullable": True},
            {"name": "income", "dtype": "float64"},
        ],
        "target": {"name": "paid", "dtype": "string", "values": ["no", "yes"]},
        "key": "customer",
        "redact": {"ssn": "hash", "note": "drop", "customer": "hash"},
        "tuning": {"metric": "roc_auc"},
        "gates": [{"metric": "roc_auc", "min": 0.8}],
    }
)
REDACTOR = Redactor("loans", DEFINITION.redact, b"k" * 32)
RULES = RowRedaction(DEFINITION, REDACTOR)
MARKER = "078-05-1120"
ROWS: list[dict[str, Any]] = [
    {"ssn": MARKER, "note": f"{MARKER} at night", "income": 1.5, "customer": "777", "paid": "yes",
     "SSN_old": MARKER}
    for _ in range(3)
]  # fmt: skip
STORED = {
    "ssn": [REDACTOR.hash(MARKER)] * 3,
    "income": [1.5] * 3,
    "customer": [REDACTOR.hash(777)] * 3,
    "paid": ["yes"] * 3,
}


def _csv(rows: list[dict[str, Any]], end: str = "") -> bytes:
    lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
    return ("\n".join(lines) + "\n" + end).encode()


def _arrow(rows: list[dict[str, Any]]) -> bytes:
    table = pa.Table.from_pylist(rows)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _ndjson(rows: list[dict[str, Any]]) -> bytes:
    return "\n".join(map(json.dumps, rows)).encode()


def _lines(body: io.BytesIO, definition: PipelineDefinition) -> Iterator[Chunk]:
    return one_by_one(ndjson.read(body, definition))


Reader = Callable[[io.BytesIO, PipelineDefinition], Iterator[Chunk]]


def _read(reader: Reader, body: bytes | io.BytesIO) -> list[Chunk]:
    file = io.BytesIO(body) if isinstance(body, bytes) else body
    return list(RULES.chunks(reader(file, DEFINITION)))


@pytest.mark.parametrize(
    ("reader", "body"),
    [
        (csv.chunks, _csv(ROWS)),
        (csv.chunks, _csv(ROWS, '"open')),  # record by record
        (arrow.chunks, _arrow(ROWS)),
        (_lines, _ndjson(ROWS)),
    ],
)
def test_every_format_is_stored_alike_and_without_what_is_not_declared(
    reader: Reader, body: bytes
) -> None:
    """A column under another name might hold the very values; its name tells nobody."""
    requests = [request for chunk in _read(reader, body) for request in chunk.requests()]

    assert [STORED] == [json.loads(request.inputs) for request in requests]


@pytest.mark.parametrize(
    ("reader", "body", "reason"),
    [
        (csv.chunks, _csv(ROWS, f"{MARKER},1\n"), "it has 2 fields, the header has 6"),
        (_lines, _ndjson(ROWS) + f"\n{{{MARKER}".encode(), "not JSON"),
        (_lines, f'{{"{MARKER}": 1, "{MARKER}": 1}}'.encode(), "a field that is not declared"),
        (_lines, _ndjson([{"income": 1.0, MARKER: [1]}]), "a field that is not declared"),
        (_lines, _ndjson([{MARKER: 1}]), "it has no declared fields"),
        (_lines, _ndjson([{"ssn": 78051120, "income": 1}]), "is not a text"),
        (_lines, _ndjson([{"ssn": MARKER, "customer": 7.5, "income": 1}]), "can't be a key"),
        (arrow.chunks, _arrow([{"ssn": 78051120, "income": 1}]), "is not a text"),
    ],
)
def test_a_record_that_can_not_be_read_leaves_its_reason_alone(
    reader: Reader, body: bytes, reason: str
) -> None:
    """Nothing is dropped silently, and nothing of it is kept: its columns can't be told apart."""
    refused = [record for chunk in _read(reader, body) for record in chunk.refused()]

    assert reason in refused[-1].reason
    assert NOT_KEPT == refused[-1].text
    assert MARKER not in repr(refused)
    assert "78051120" not in repr(refused)


def test_a_file_without_a_header_is_refused_without_its_first_row() -> None:
    """Whose values are taken for names; the message goes into the ledger."""
    body = f"{MARKER},1.5,{MARKER}\n".encode()

    with pytest.raises(InvalidInput) as refused:
        _read(csv.chunks, body)
    assert MARKER not in refused.value.message + refused.value.field


@pytest.mark.parametrize(
    ("reader", "body"),
    [(csv.chunks, _csv(ROWS)), (arrow.chunks, _arrow(ROWS)), (_lines, _ndjson(ROWS))],
)
def test_reading_a_body_leaves_it_in_memory(reader: Reader, body: bytes) -> None:
    """A spooled file goes to a disk when somebody asks for its descriptor."""
    with tempfile.SpooledTemporaryFile(max_size=1 << 20) as file:
        file.write(body)
        file.seek(0)
        _read(reader, file)  # type: ignore[arg-type]

        assert not file._rolled  # type: ignore[attr-defined]
