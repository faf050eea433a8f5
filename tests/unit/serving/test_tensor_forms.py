"""Tensors of the Open Inference Protocol: each form of the same rows is the same request."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlplatform.contracts.blocks import BlockLayout
from mlplatform.contracts.columns import NUMPY, Column, Feature
from mlplatform.contracts.model import Output, Signature
from mlplatform.contracts.request_inputs import RecordedInputs, columns_of
from mlplatform.errors import InvalidInput
from mlplatform.serving.dialects.binary_tensors import BinaryAnswer
from mlplatform.serving.dialects.inference import InferenceDialect
from mlplatform.serving.request import DecodedRequest, Prediction

BYTES = {"FP16": "<f2", "FP32": "<f4", "FP64": "<f8", "BOOL": "?"} | {
    f"{sign}INT{8 * size}": f"<{sign.lower() or 'i'}{size}"
    for sign in ("", "U")
    for size in (1, 2, 4, 8)
}
NAMES = ("a", "b", "c")


def dialect(*dtypes: Any, nullable: bool = False) -> InferenceDialect:
    columns = tuple(
        Column(name=name, dtype=dtype, nullable=nullable)
        for name, dtype in zip(NAMES, dtypes, strict=False)
    )
    signature = Signature(
        pipeline="ward",
        task="classification",
        inputs=columns,
        key="patient",
        time="seen_at",
        features=tuple(Feature(name=column.name, dtype=column.dtype) for column in columns),
        outputs=(
            Output(name="prediction", dtype="string"),
            Output(name="probabilities", dtype="float64", width=2),
        ),
        classes=("no", "yes"),
        format="onnx",
        model_file="model.onnx",
        features_digest="0" * 64,
        commit="c",
    )
    return InferenceDialect(signature)


def packed(datatype: str, values: Sequence[Any]) -> bytes:
    if datatype == "BYTES":
        return b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in values)
    return np.array(values, BYTES[datatype]).tobytes()


def tensor(name: str, datatype: str, shape: list[int], data: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def table(datatype: str, rows: Sequence[Sequence[Any]], *, nested: bool = False) -> dict[str, Any]:
    data = [list(row) for row in rows] if nested else [value for row in rows for value in row]
    return tensor("input-0", datatype, [len(rows), len(rows[0])], data)


def columns(datatypes: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    return [
        tensor(name, datatype, [len(rows)], [row[place] for row in rows])
        for place, (name, datatype) in enumerate(zip(NAMES, datatypes, strict=False))
    ]


def as_json(*inputs: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"inputs": inputs} | more).encode()


def as_bytes(*inputs: dict[str, Any], kept: int = 0, **more: Any) -> tuple[bytes, int]:
    """The body in which all tensors but the first `kept` are binary, and the length of its JSON."""
    parts, heads = [], list(inputs[:kept])
    for one in inputs[kept:]:
        parts.append(packed(one["datatype"], one["data"]))
        heads.append(
            {key: value for key, value in one.items() if key != "data"}
            | {"parameters": {"binary_data_size": len(parts[-1])}}
        )
    head = as_json(*heads, **more)
    return b"".join([head, *parts]), len(head)


def decode(found: InferenceDialect, body: bytes | tuple[bytes, int]) -> DecodedRequest:
    return found.decode(body) if isinstance(body, bytes) else found.decode_binary(*body)


def seen(found: InferenceDialect, body: Any) -> Any:
    """What the model gets and what a reader of the record sees."""
    request = decode(found, body)
    layout: BlockLayout = found._layout
    arrays = [
        np.array(block, NUMPY[part.dtype]).reshape(request.rows, len(part.names))
        for block, part in zip(request.blocks, layout.blocks, strict=True)
    ]
    given = {name: values.tolist() for name, values in layout.table(arrays).items()}
    record = columns_of(msgspec.json.decode(request.body, type=RecordedInputs), request.rows)
    return [
        [[_null(value) for value in values] for values in one.values()]
        for one in (given, {name: record[name] for name in layout.names})
    ]


def _null(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(FINITE, FINITE, FINITE), min_size=1, max_size=5))
def test_every_form_of_numbers_is_the_same_request(rows: list[tuple[float, ...]]) -> None:
    """One tensor per column or of all, flat or nested, as JSON or bytes: same blocks and record."""
    found = dialect(*["float64"] * 3)
    single, whole = columns(["FP64"] * 3, rows), table("FP64", rows)
    bodies = [
        as_json(*single),
        as_json(*reversed(single)),
        as_json(whole),
        as_json(table("FP64", rows, nested=True)),
        as_bytes(*single),
        as_bytes(*single, kept=1),
        as_bytes(whole),
    ]
    expected = [[row[place] for row in rows] for place in range(3)]

    assert [[expected, expected]] * len(bodies) == [seen(found, body) for body in bodies]


@given(
    st.lists(
        st.tuples(FINITE, st.integers(-(2**63), 2**63 - 1), st.booleans()), min_size=1, max_size=5
    )
)
def test_every_form_of_mixed_columns_is_the_same_request(rows: list[tuple[Any, ...]]) -> None:
    """Columns of several types, each a tensor of its own."""
    found = dialect("float64", "int64", "bool")
    single = columns(["FP64", "INT64", "BOOL"], rows)
    bodies = [as_json(*single), as_bytes(*single), as_bytes(*single, kept=2)]
    expected = [[row[place] for row in rows] for place in range(3)]

    assert [[expected, expected]] * len(bodies) == [seen(found, body) for body in bodies]


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5)


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5))
def test_every_form_of_texts_is_the_same_request(rows: list[tuple[str, str]]) -> None:
    """BYTES are UTF-8, each item behind its length."""
    found = dialect("string", "string")
    single, whole = columns(["BYTES"] * 2, rows), table("BYTES", rows)
    bodies = [as_json(*single), as_json(whole), as_bytes(*single), as_bytes(whole)]
    expected = [[row[place] for row in rows] for place in range(2)]

    assert [[expected, expected]] * len(bodies) == [seen(found, body) for body in bodies]


@pytest.mark.parametrize("datatype", [name for name in BYTES if name != "BOOL"])
@pytest.mark.parametrize(
    "dtypes", [("float64", "float64"), ("int64", "int64"), ("float64", "int64")]
)
def test_a_table_of_any_numbers_fills_columns_of_numbers(datatype: str, dtypes: Any) -> None:
    """Whole numbers fill each column, whatever datatype a client's array has."""
    found, rows = dialect(*dtypes), [(1, 2), (3, 4)]
    bodies = [as_json(table(datatype, rows)), as_bytes(table(datatype, rows))]

    assert [[[[1, 3], [2, 4]]] * 2] * 2 == [seen(found, body) for body in bodies]


def test_missing_numbers_are_null_where_the_column_takes_nulls() -> None:
    """NaN in bytes is what null is in JSON."""
    found = dialect("float64", "float64", nullable=True)
    rows, holes = [(1.5, None)], [(1.5, float("nan"))]
    bodies = [as_json(table("FP64", rows)), as_json(*columns(["FP64"] * 2, rows))]
    more = [as_bytes(table("FP32", holes)), as_bytes(*columns(["FP64"] * 2, holes))]

    assert [[[[1.5], [None]]] * 2] * 4 == [seen(found, body) for body in [*bodies, *more]]


NOT_BYTES = float("nan"), float("inf")
REFUSED = [
    (
        ("float64",) * 2,
        as_bytes(table("FP64", [(1.0, 2.0), (3.0, NOT_BYTES[0])])),
        "row 1, column b",
    ),
    (
        ("float64",) * 2,
        as_bytes(table("FP64", [(1.0, 2.0), (3.0, NOT_BYTES[1])])),
        "row 1, column b",
    ),
    (("int64",) * 2, as_bytes(table("UINT64", [(1, 2**63)])), "row 0, column b"),
    (("int64",) * 2, as_json(table("UINT64", [(1, 2**63)])), "row 0, column b"),
    (("float64", "int64"), as_bytes(table("FP64", [(1, 2.5)])), "2.5 is not a whole number"),
    (("float64", "int64"), as_json(table("FP64", [(1, 2.5)])), "2.5 is not a whole number"),
    (("float64", "bool"), as_json(table("FP64", [(1, 1)])), "it may be BOOL"),
    (("float64",) * 2, as_json(tensor("x", "FP64", [2], [1, 2])), r"must be \[rows, 2\]"),
    (("float64",) * 2, as_json(tensor("x", "FP64", [1, 3], [1, 2, 3])), r"must be \[rows, 2\]"),
    (("float64",) * 2, as_json(tensor("x", "FP64", [0, 2], [])), r"must be \[rows, 2\]"),
    (("float64",) * 2, as_json(tensor("x", "FP64", [2, 2], [1])), "its shape says 2 times 2"),
    (("float64",) * 2, as_json(tensor("x", "FP64", [1, 2], [[1]])), "row 0 has 1 values"),
    (("float64",) * 2, as_json(tensor("x", "BOOL", [1, 2], [1, 2])), "can't be a tensor of 'BOOL'"),
    (("int64",), as_json(tensor("a", "FP64", [1], [1.0])), "can't be a tensor of 'FP64'"),
    (("string",), as_bytes(tensor("a", "BYTES", [1], ["a\0"])), "NUL"),
]


@pytest.mark.parametrize(("dtypes", "body", "message"), REFUSED)
def test_a_tensor_that_does_not_fit_is_refused(dtypes: Any, body: Any, message: str) -> None:
    """Row and column are named, or the shape that is asked for."""
    with pytest.raises(InvalidInput, match=message):
        decode(dialect(*dtypes), body)


def test_keys_and_times_may_come_beside_a_table() -> None:
    """They are recorded and don't reach the model."""
    body = as_json(table("FP64", [(1, 2)]), tensor("patient", "BYTES", [1], ["p"]))

    request = dialect("float64", "float64").decode(body)

    record = columns_of(msgspec.json.decode(request.body, type=RecordedInputs), 1)
    assert {"a": [1.0], "b": [2.0], "patient": ["p"]} == record


HEAD, SIZE = as_bytes(table("FP64", [(1, 2)]))


@pytest.mark.parametrize(
    ("body", "json_bytes", "field"),
    [
        (HEAD, SIZE + 1000, "inference-header-content-length"),
        (HEAD, SIZE - 1, "body"),
        (HEAD + b"x", SIZE, "body"),
        (HEAD[:-1], SIZE, "inputs[0].parameters.binary_data_size"),
        (*as_bytes(table("FP64", [(1, 2)]) | {"shape": [2, 2]}), "inputs[0]"),
        (*as_bytes(table("FP32", [(1, 2, 3)]) | {"shape": [1, 2]}), "inputs[0]"),
        (as_json(table("FP64", [(1, 2)])) + b"x", len(HEAD) - 1, "inference-header-content-length"),
    ],
)
def test_sizes_of_bytes_must_be_exact(body: bytes, json_bytes: int, field: str) -> None:
    """Neither a byte too many nor one too few."""
    with pytest.raises(InvalidInput) as caught:
        dialect("float64", "float64").decode_binary(body, json_bytes)
    assert field == caught.value.field


@given(
    st.binary(max_size=40), st.integers(0, 200), st.sampled_from([*BYTES, "BYTES", "X"]), st.data()
)
def test_any_bytes_are_a_request_or_refused(
    tail: bytes, json_bytes: int, datatype: str, data: st.DataObject
) -> None:
    """Whatever stands behind the JSON, and however long it is said to be."""
    part = {"name": "a", "datatype": datatype, "shape": [data.draw(st.integers(-1, 5)), 2]}
    sizes = st.none() | st.integers(-1, 50) | st.just(len(tail)) | st.text(max_size=2)
    head = as_json(part | {"parameters": {"binary_data_size": data.draw(sizes)}})
    length = data.draw(st.just(len(head)) | st.just(json_bytes))

    try:
        request = dialect("float64", "int64").decode_binary(head + tail, length)
    except InvalidInput:
        return
    assert request.rows >= 1


@pytest.mark.parametrize("name", ["pd", "np", "str"])
def test_content_types_of_tensors_are_taken(name: str) -> None:
    """MLServer's clients send them at the request and at each input."""
    given = {"parameters": {"content_type": name, "headers": {"a": 1}}}
    body = as_json(table("FP64", [(1, 2)]) | given, **given)

    assert 1 == dialect("float64", "float64").decode(body).rows


@pytest.mark.parametrize("level", ["request", "input"])
def test_content_types_of_hidden_values_are_refused(level: str) -> None:
    """A base64 text would otherwise be taken for the value itself."""
    given = {"parameters": {"content_type": "base64"}}
    one = tensor("a", "BYTES", [1], ["YQ=="])
    body = as_json(one, **given) if level == "request" else as_json(one | given)

    with pytest.raises(InvalidInput, match="'base64' is not supported"):
        dialect("string").decode(body)


def answered(outputs: list[dict[str, Any]] | None, **more: Any) -> bytes | BinaryAnswer:
    found = dialect("float64")
    asked = {} if outputs is None else {"outputs": outputs}
    request = found.decode(as_json(*columns(["FP64"], [(1,), (2,)]), **asked, **more))
    values: dict[str, Any] = {
        "prediction": ["no", "yes"],
        "probabilities": [[0.75, 0.25], [0.0, 1.0]],
    }
    return found.encode(Prediction("our-id", "ward", "3", request, values))


def test_outputs_come_as_bytes_where_they_are_asked_for() -> None:
    """The JSON has their sizes; the bytes follow it in the order of the outputs."""
    found = answered(
        [
            {"name": "probabilities", "parameters": {"binary_data": True}},
            {"name": "prediction", "parameters": {"binary_data": False}},
        ]
    )
    assert isinstance(found, BinaryAnswer)

    outputs = json.loads(found.body[: found.json_bytes])["outputs"]
    assert [{"binary_data_size": 32}, None] == [one.get("parameters") for one in outputs]
    assert (None, ["no", "yes"]) == (outputs[0].get("data"), outputs[1]["data"])
    assert packed("FP64", [0.75, 0.25, 0.0, 1.0]) == found.body[found.json_bytes :]


def test_all_outputs_come_as_bytes_for_a_client_that_names_none() -> None:
    """Triton's clients ask so by default."""
    found = answered(None, parameters={"binary_data_output": True})
    assert isinstance(found, BinaryAnswer)

    outputs = json.loads(found.body[: found.json_bytes])["outputs"]
    texts = packed("BYTES", ["no", "yes"])
    assert [len(texts), 32] == [one["parameters"]["binary_data_size"] for one in outputs]
    assert texts == found.body[found.json_bytes :][: len(texts)]


@pytest.mark.parametrize(
    ("outputs", "parameters"),
    [
        ([{"name": "prediction", "parameters": {"binary_data": 1}}], None),
        ([{"name": "prediction", "parameters": 1}], None),
        ([], {"binary_data_output": "yes"}),
        ([{"name": "z"}], None),
    ],
)
def test_odd_wishes_are_refused(outputs: list[dict[str, Any]], parameters: Any) -> None:
    """422 names what can't be meant."""
    with pytest.raises(InvalidInput):
        answered(outputs, parameters=parameters)
