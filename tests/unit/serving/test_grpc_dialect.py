"""Requests and predictions as gRPC messages, without a connection."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from mlplatform.contracts.blocks import ORDER
from mlplatform.contracts.columns import NUMPY, Column, DType
from mlplatform.contracts.model import Output, Signature
from mlplatform.contracts.request import RequestRecord, decode, encode
from mlplatform.errors import InvalidInput
from mlplatform.serving.dialects import GRPC, INFERENCE, ROWS, Dialect, compile_all
from mlplatform.serving.grpc.messages import message
from mlplatform.serving.request import DecodedRequest, Prediction

Scene = Mapping[str, Callable[..., Any]]
ROWS_OF_WARD = b"""{"rows": [
    {"age": 52, "bmi": 27.5, "class": "a", "smoker": true},
    {"age": 41, "bmi": null, "class": "\xc3\xa9", "smoker": false}
]}"""
WARD = {
    "age": ("INT64", np.array([52, 41])),
    "bmi": ("FP64", np.array([27.5, math.nan])),
    "class": ("BYTES", [b"a", "é".encode()]),
    "smoker": ("BOOL", np.array([True, False])),
}
FIELDS = {
    "BOOL": "bool_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
Tensors = Mapping[str, tuple[str, Any]]


def request(tensors: Tensors, *, raw: bool, shape: list[int] | None = None, **more: Any) -> Any:
    """A message with these tensors."""
    made = message("inference.ModelInferRequest")(model_name="ward", **more)
    for name, (datatype, values) in tensors.items():
        tensor = made.inputs.add(name=name, datatype=datatype, shape=shape or [len(values)])
        if not raw:
            getattr(tensor.contents, FIELDS[datatype]).extend(values)
        elif datatype == "BYTES":
            made.raw_input_contents.append(
                b"".join(len(item).to_bytes(4, "little") + item for item in values)
            )
        else:
            made.raw_input_contents.append(values.tobytes())
    return made


def table(*names: str, dtype: Any = "float64") -> Signature:
    """A regression whose columns share a type."""
    columns = tuple(Column(name=name, dtype=dtype) for name in names)
    return Signature(
        pipeline="ward",
        task="regression",
        inputs=columns,
        features=(),
        outputs=(Output(name="prediction", dtype="float64"),),
        format="onnx",
        model_file="model.onnx",
        features_digest="0" * 64,
        commit="c",
    )


def stored(found: DecodedRequest) -> RequestRecord:
    """The record of a request, as its readers see it."""
    text = encode(
        RequestRecord(
            outbox_id="o",
            sequence=1,
            request_id="r",
            pipeline="ward",
            version="1",
            caller="c",
            received_us=1,
            rows=found.rows,
        )
    )
    head = text.replace(b'"format":1', b'"format":2')[:-1]
    return decode(head + b',"body":' + found.body + b"}")


def values(found: DecodedRequest, *dtypes: DType) -> list[list[Any]]:
    """The blocks as flat lists, nulls as None; `dtypes` are those of the blocks."""
    flat = [
        (
            np.frombuffer(block, NUMPY[dtype]) if isinstance(block, bytes) else np.asarray(block)
        ).ravel()
        for block, dtype in zip(found.blocks, dtypes or ORDER, strict=True)
    ]
    return [[None if str(value) == "nan" else value for value in block.tolist()] for block in flat]


@pytest.fixture
def dialects(scene: Scene) -> dict[str, Dialect]:
    """All of them, for columns of every type."""
    return compile_all(scene["signature"]())


@pytest.mark.parametrize("raw", [False, True])
def test_a_message_is_decoded_and_stored_as_the_same_plain_rows(
    dialects: dict[str, Dialect], *, raw: bool
) -> None:
    """Blocks and record are those of the rows, with a null and without."""
    plain = dialects[ROWS].decode(ROWS_OF_WARD)
    found = dialects[GRPC].decode(request(WARD, raw=raw).SerializeToString())
    sure = {name: (datatype, items[:1]) for name, (datatype, items) in WARD.items()}
    first = dialects[GRPC].decode(request(sure, raw=raw).SerializeToString())

    assert (2, raw) == (found.rows, bool(found.binary_outputs))
    assert values(plain) == values(found)
    assert stored(plain).inputs == stored(found).inputs
    assert [block[:1] for block in values(plain)] == values(first)
    assert {name: items[:1] for name, items in stored(plain).inputs.items()} == stored(first).inputs


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("kind", ["FP64", "FP32"])
def test_one_tensor_may_hold_all_columns(kind: str, *, raw: bool) -> None:
    """Of shape [rows, columns], in the order of the signature, whatever its name."""
    dialect = compile_all(table("b", "a"))[GRPC]
    numbers = np.array([1.5, 2.5, 3.5, 4.5], np.float32 if kind == "FP32" else np.float64)

    found = dialect.decode(
        request({"input": (kind, numbers)}, raw=raw, shape=[2, 2]).SerializeToString()
    )

    assert [[1.5, 2.5, 3.5, 4.5]] == values(found, "float64")
    assert {"b": [1.5, 3.5], "a": [2.5, 4.5]} == stored(found).inputs


def test_narrow_numbers_fill_wide_columns() -> None:
    """INT32 and UINT8 where whole numbers are asked for; whole numbers where any number is."""
    whole = compile_all(table("a", "b", dtype="int64"))[GRPC]
    any_number = compile_all(table("a"))[GRPC]
    mixed = {"a": ("INT32", np.array([-1], np.int32)), "b": ("UINT8", np.array([255], np.uint8))}

    for raw in (False, True):
        found = whole.decode(request(mixed, raw=raw).SerializeToString())
        floats = any_number.decode(
            request({"a": ("INT64", np.array([3]))}, raw=raw).SerializeToString()
        )

        assert [[-1, 255]] == values(found, "int64")
        assert [[3.0]] == values(floats, "float64")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"age": ("FP64", np.array([1.0]))}, "column age can't be a tensor of 'FP64'"),
        ({"age": ("UINT64", np.array([2**63], np.uint64))}, "row 0, column age"),
        ({"bmi": ("FP64", np.array([math.inf]))}, "row 0, column bmi"),
        ({"class": ("BYTES", [b"\0"])}, "row 0, column class"),
        ({"class": ("BYTES", [b"\xff"])}, "item 0 is not UTF-8"),
        ({"bmi": ("FP64", np.array([1.0, 2.0]))}, "bmi has 2 rows"),
        ({"other": ("FP64", np.array([1.0]))}, "unknown column other"),
    ],
)
def test_a_wrong_tensor_is_named(
    dialects: dict[str, Dialect], change: dict[str, Any], fault: str
) -> None:
    """The column, and where a value is at fault its row, raw or typed."""
    tensors = {name: (datatype, items[:1]) for name, (datatype, items) in WARD.items()} | change

    for raw in (False, True):
        body = request(tensors, raw=raw).SerializeToString()
        with pytest.raises(InvalidInput, match=fault):
            dialects[GRPC].decode(body)


def test_raw_contents_must_fit_their_inputs(dialects: dict[str, Dialect]) -> None:
    """One for each input, of whole values, true or false as 1 or 0, texts not cut off."""
    body = request(WARD, raw=True)
    for place, data, fault in (
        (0, b"123", "not whole values of INT64"),
        (2, b"\x05\0\0\0abc", "end within item 0"),
        (2, b"\x05\0", "end within item 0"),
        (3, b"\2\1", "byte 0 or 1"),
    ):
        changed = message("inference.ModelInferRequest")()
        changed.CopyFrom(body)
        changed.raw_input_contents[place] = data
        with pytest.raises(InvalidInput, match=fault):
            dialects[GRPC].decode(changed.SerializeToString())
    del body.raw_input_contents[-1]
    with pytest.raises(InvalidInput, match="3 raw contents are not one for each of 4 inputs"):
        dialects[GRPC].decode(body.SerializeToString())


def test_half_precision_comes_as_raw_contents_only(dialects: dict[str, Dialect]) -> None:
    """The protocol has no typed contents for it."""
    numbers = np.array([1.5], np.float16)
    dialect = compile_all(table("a"))[GRPC]
    typed = message("inference.ModelInferRequest")()
    typed.inputs.add(name="a", datatype="FP16", shape=[1])

    found = dialect.decode(request({"a": ("FP16", numbers)}, raw=True).SerializeToString())

    assert [[1.5]] == values(found, "float64")
    with pytest.raises(InvalidInput, match="has no typed contents"):
        dialects[GRPC].decode(typed.SerializeToString())


def test_key_and_time_are_stored_and_never_reach_the_model(dialects: dict[str, Dialect]) -> None:
    """They may come as tensors of their own."""
    more = {"patient": ("BYTES", [b"p1", b"p2"]), "seen_at": ("BYTES", [b"1", b"2"])}

    found = dialects[GRPC].decode(request({**WARD, **more}, raw=True).SerializeToString())

    assert ["p1", "p2"] == stored(found).inputs["patient"]
    assert 4 == len(found.blocks)


def test_an_answer_has_the_form_of_its_request(scene: Scene) -> None:
    """Raw bytes for raw bytes, typed contents for typed ones, strings and probabilities too."""
    outputs = (
        Output(name="prediction", dtype="string"),
        Output(name="p", dtype="float64", width=2),
    )
    dialect = compile_all(scene["signature"](outputs=outputs))[GRPC]
    answers = {"prediction": ["a", "é"], "p": [[0.25, 0.75], [0.5, 0.5]]}
    made = {}
    for raw in (False, True):
        asked = dialect.decode(request(WARD, raw=raw, id="mine").SerializeToString())
        body = dialect.encode(Prediction("id", "ward", "3", asked, answers))
        made[raw] = message("inference.ModelInferResponse").FromString(body)
    typed, packed = made[False], made[True]

    assert [b"a", "é".encode()] == list(typed.outputs[0].contents.bytes_contents)
    assert [0.25, 0.75, 0.5, 0.5] == list(typed.outputs[1].contents.fp64_contents)
    assert [] == list(typed.raw_output_contents)
    assert [
        b"\1\0\0\0a\2\0\0\0\xc3\xa9",
        np.array([0.25, 0.75, 0.5, 0.5]).tobytes(),
    ] == list(packed.raw_output_contents)
    assert ["BYTES", "FP64"] == [tensor.datatype for tensor in packed.outputs]
    assert ("mine", "id") == (packed.id, packed.parameters["request_id"].string_param)


def test_an_unknown_output_is_refused(dialects: dict[str, Dialect]) -> None:
    """With the names of those that there are."""
    asked = request(WARD, raw=True)
    asked.outputs.add(name="score")

    with pytest.raises(InvalidInput, match="there is no output 'score'; outputs are prediction"):
        dialects[GRPC].decode(asked.SerializeToString())
    assert INFERENCE in dialects
