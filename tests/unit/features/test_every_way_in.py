"""One table, sent in every way that there is: each value means the same, or is refused, in all."""

from __future__ import annotations

import csv as stdlib_csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlplatform.access import Caller, Role
from mlplatform.contracts.columns import Feature
from mlplatform.contracts.model import Output, Signature
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.contracts.request_inputs import RecordedInputs, columns_of
from mlplatform.dataapi.rows import arrow, csv, ndjson
from mlplatform.dataapi.rows.labels import LabelCheck, LabelFault
from mlplatform.dataapi.rows.record import Record
from mlplatform.database.raw_requests import RawRequest
from mlplatform.errors import InvalidInput
from mlplatform.etl.batch import process
from mlplatform.features import code
from mlplatform.serving.dialects import INFERENCE, ROWS, compile_all

DEFINITION = PipelineDefinition.parse(
    {
        "name": "ward",
        "description": "Whether a patient comes back.",
        "task": "classification",
        "columns": [
            {"name": "number", "dtype": "float64", "nullable": True},
            {"name": "whole", "dtype": "int64"},
            {"name": "text", "dtype": "string"},
            {"name": "note", "dtype": "string", "nullable": True},
            {"name": "flag", "dtype": "bool"},
        ],
        "target": {"name": "back", "dtype": "bool"},
        "key": "patient",
        "time": "seen",
        "tuning": {"metric": "f1"},
        "gates": [{"metric": "f1", "min": 0}],
    }
)
SIGNATURE = Signature(
    pipeline="ward",
    task="classification",
    inputs=DEFINITION.columns,
    key="patient",
    time="seen",
    features=tuple(Feature(name=one.name, dtype=one.dtype) for one in DEFINITION.columns),
    outputs=(Output(name="prediction", dtype="int64"),),
    classes=(0, 1),
    format="onnx",
    model_file="model.onnx",
    features_digest="0" * 64,
    commit="c",
)
DIALECTS = compile_all(SIGNATURE)
FEATURES = code.load(DEFINITION, None, digest=None)
RECEIVED = datetime(2026, 3, 1, tzinfo=UTC)
WRITER = Caller(name="w", roles=(Role.WRITER,), pipelines=("ward",), sha256="0" * 64)
ID = "01985d2e-7c4a-7b11-9c62-0d6f5a0c1e11"
REFUSED = "refused"

LETTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
TEXTS = st.text(LETTERS, max_size=6) | st.sampled_from(
    ["", " ", "01234", "NaN", "null", "true", "7.0", "1e3", 'a":1,"a', "b\r\ne", "b\u2028e", ","]
)  # fmt: skip
EDGES = [0, -1, 2**53 - 1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, -(2**63) - 1]
FLOATS = [-0.0, 5e-324, 1e308, 777.0, 7.5, 2.0**53, 0.1 + 0.2]
TIMES = [
    *("2025-01-02", "2025-01-02T24:00", "2025-01-02t03:04:05z", "2025-01-02 03:04:05.1234567+0130"),
    *("20250102", "20250102T03", "2025-W01-4", "2025-01-02x03:00", "1899-12-31", "noon", "", None),
    *(20250102, 20250102.0, 1735776000, 1735776000.25, -1e9, 1e300),
]
ROWS_OF_ALL = st.fixed_dictionaries(
    {
        "number": st.none() | st.floats(allow_nan=False, allow_infinity=False)
        | st.sampled_from([*EDGES, *FLOATS]),
        "whole": st.integers(-(2**64), 2**64) | st.sampled_from([*EDGES, *FLOATS]),
        "text": TEXTS,
        "note": st.none() | TEXTS.filter(bool),
        "flag": st.booleans(),
        "back": st.none() | st.booleans(),
        "patient": st.none() | TEXTS | st.integers(-(2**62), 2**62)
        | st.sampled_from([777.0, -0.0, "777", "777.0", "0777"]),
        "seen": st.sampled_from(TIMES),
    }
)  # fmt: skip
PLAIN = {
    "number": 1.5,
    "whole": 7,
    "text": "a",
    "note": None,
    "flag": True,
    "back": True,
    "patient": 777,
    "seen": "2025-01-02",
}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _csv(row: dict[str, Any]) -> Record:
    body = io.StringIO()
    writer = stdlib_csv.writer(body, quoting=stdlib_csv.QUOTE_ALL)
    writer.writerows([row, map(_cell, row.values())])
    (record,) = csv.read(io.BytesIO(body.getvalue().encode()), DEFINITION)
    return record


def _arrow(row: dict[str, Any], *, file: bool) -> Record:
    def array(value: Any) -> pa.Array:
        large = isinstance(value, int) and not -(2**63) <= value < 2**63
        return pa.array([Decimal(value) if large else value])

    table = pa.table({name: array(value) for name, value in row.items()})
    body = io.BytesIO()
    with (pa.ipc.new_file if file else pa.ipc.new_stream)(body, table.schema) as writer:
        writer.write_table(table)
    body.seek(0)
    (record,) = arrow.read(body, DEFINITION)
    return record


def _imports(row: dict[str, Any]) -> Iterator[Record]:
    yield _csv(row)
    line = json.dumps(row, ensure_ascii=False).encode()
    yield from ndjson.read(io.BytesIO(line), DEFINITION)
    yield _arrow(row, file=False)
    yield _arrow(row, file=True)


def _featured(inputs: str, source: str) -> Any:
    """What etl makes of a row: features, key and time; of an imported one the label too."""
    made = process(
        [RawRequest(ID, source, "topic", 0, 1, RECEIVED, 1, inputs)], DEFINITION, FEATURES
    )
    if made.bad:
        return REFUSED
    # As text, so that -0.0 is not 0.0, and NaN is NaN.
    features = {name: repr(values.tolist()) for name, values in made.features.items()}
    numbers, _ = made.labels.values()
    return (features, made.keys[0], made.times[0], *numbers)


def _tensor(name: str, value: Any) -> dict[str, Any]:
    kinds = {"number": "FP64", "whole": "INT64", "text": "BYTES", "note": "BYTES", "flag": "BOOL"}
    other = {str: "BYTES", int: "INT64", float: "FP64"}.get(type(value), "BYTES")
    return {"name": name, "datatype": kinds.get(name, other), "shape": [1], "data": [value]}


def _predictions(row: dict[str, Any]) -> Iterator[Any]:
    """What is recorded of a prediction request in each dialect, as etl reads it."""
    sent = {name: value for name, value in row.items() if name != "back"}
    bodies = {
        ROWS: {"rows": [sent]},
        INFERENCE: {"inputs": [_tensor(*item) for item in sent.items()]},
    }
    for name, body in bodies.items():
        try:
            found = DIALECTS[name].decode(json.dumps(body).encode())
        except InvalidInput:
            yield REFUSED
            continue
        recorded = msgspec.json.decode(found.body, type=RecordedInputs)
        inputs = columns_of(recorded, found.rows)
        yield _featured(msgspec.json.encode(inputs).decode(), "serving")


@settings(deadline=None, max_examples=60)
@given(ROWS_OF_ALL)
@example(PLAIN)
@example(PLAIN | {"text": "", "patient": "", "seen": ""})
@example(PLAIN | {"patient": 777.0, "seen": "2025-01-02T24:00z"})
@example(PLAIN | {"patient": "777.0", "whole": 3.0})
@example(PLAIN | {"whole": float(2**53)})
@example(PLAIN | {"number": -0.0, "note": "NaN"})
@example(PLAIN | {"seen": 20250102})
def test_a_row_means_the_same_on_every_way_in(row: dict[str, Any]) -> None:
    """CSV, NDJSON, Arrow stream and file, and both dialects, down to features, key, time, label."""
    imported = [
        REFUSED if record.reason else _featured(record.inputs, "import") for record in _imports(row)
    ]
    first = imported[0]
    request = first if first == REFUSED else first[:3]

    assert [first] * 4 == imported
    assert [request] * 2 == list(_predictions(row))


LABELS = st.booleans() | st.integers(-(2**54), 2**54) | st.sampled_from([*EDGES, *FLOATS]) | TEXTS


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(["bool", "int64", "string"]), LABELS)
@example("int64", 777.0)
@example("int64", float(2**53))
@example("int64", -(2**53) - 1)
@example("string", "")
def test_a_label_means_the_same_in_history_and_feedback(dtype: str, value: Any) -> None:
    """What an imported row's target says is what the same label says that is sent later."""
    changed = DEFINITION.model_dump(mode="json") | {"target": {"name": "back", "dtype": dtype}}
    definition = PipelineDefinition.parse(changed)
    inputs = json.dumps({name: [item] for name, item in (PLAIN | {"back": value}).items()})
    made = process([RawRequest(ID, "import", "t", 0, 1, RECEIVED, 1, inputs)], definition, FEATURES)
    history = list(zip(*made.labels.values(), strict=True))
    check = LabelCheck(WRITER, {"ward": definition}, {}, "ward")
    try:
        label = check.label({"request_id": ID, "row": 0.0, "label": value})
        feedback = [(label.number, label.text)]
    except LabelFault:
        feedback = [(None, None)] if value == "" and dtype == "string" else []

    assert history == feedback
