"""Both roads of decoding, and the replies."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np
import pytest
from dialect_bodies import DATATYPES, ROW, SIGNATURE, VALUES, bodies, tensors
from hypothesis import given
from hypothesis import strategies as st

from mlplatform.contracts.blocks import BlockLayout
from mlplatform.contracts.columns import NUMPY, Column
from mlplatform.contracts.model import Output
from mlplatform.contracts.request_inputs import RecordedInputs, columns_of
from mlplatform.errors import InvalidInput
from mlplatform.serving import examples
from mlplatform.serving.dialects import INFERENCE, KSERVE, MLFLOW, MLFLOW_CSV, ROWS, compile_all
from mlplatform.serving.dialects.mlflow import _current as current
from mlplatform.serving.request import DecodedRequest, Prediction

LAYOUT = BlockLayout(SIGNATURE.inputs)
DIALECTS: dict[str, Any] = dict(compile_all(SIGNATURE))


def listed(request: DecodedRequest) -> list[list[Any]]:
    """The columns in the blocks, in the declared order."""
    found: dict[str, list[Any]] = {}
    for block, values in zip(LAYOUT.blocks, request.blocks, strict=True):
        width = len(block.names)
        packed = isinstance(values, bytes)
        flat = np.frombuffer(values, NUMPY[block.dtype]).tolist() if packed else list(values)
        found |= {name: flat[at::width] for at, name in enumerate(block.names)}
    return [found[name] for name in LAYOUT.names]


def recorded(request: DecodedRequest) -> dict[str, list[Any]]:
    """The inputs that a reader of the record sees."""
    form = msgspec.json.decode(request.body, type=RecordedInputs)
    return columns_of(form, request.rows)


@given(st.lists(st.fixed_dictionaries(VALUES), min_size=1, max_size=6))
def test_the_same_rows_are_decoded_alike_in_every_form(rows: list[dict[str, Any]]) -> None:
    """Whatever the dialect, the model gets the columns that were sent, and they are recorded."""
    found = {form: DIALECTS[dialect].decode(body) for form, (dialect, body) in bodies(rows).items()}
    sent = {name: [row[name] for row in rows] for name in DATATYPES}
    # CSV can't tell an empty text from null.
    cells = sent | {"class": [row["class"] or None for row in rows]}
    expected = dict.fromkeys(found, sent) | {"CSV": cells}

    assert expected == {
        form: dict(zip(DATATYPES, listed(one), strict=True)) for form, one in found.items()
    }
    assert expected == {form: recorded(one) for form, one in found.items()}


@given(st.lists(st.fixed_dictionaries(VALUES), min_size=1, max_size=6))
def test_slow_decoding_finds_what_fast_decoding_finds(rows: list[dict[str, Any]]) -> None:
    """Good bodies of tables are all decoded the fast way, and the slow one agrees."""
    sent = [[row[name] for row in rows] for name in DATATYPES]
    for dialect, document in bodies(rows).values():
        if dialect in (ROWS, KSERVE, MLFLOW):
            body = current(document) if dialect == MLFLOW else document
            fast = DIALECTS[dialect]._body._certain(body)
            slow = DIALECTS[dialect]._body.diagnose(body)

            assert sent == [list(values) for values in slow.table.columns]
            assert fast is None or sent == [list(values) for values in fast.table.columns]
            # Plain rows have a decoder of their own; after a quotation mark in a text, and at a
            # text's beginning, a colon may be that of a key.
            unsure = b"\\" in body or any(
                (row["class"] or "").lstrip().startswith(":") for row in rows
            )
            assert fast is not None or body.startswith(b'{"rows"') or unsure
    tensors_body = json.dumps(tensors(rows)).encode()
    assert sent == listed(DIALECTS[INFERENCE]._diagnose(tensors_body))


def test_a_column_may_be_called_like_a_keyword() -> None:
    """`class` is a column like any other."""
    request = DIALECTS[ROWS].decode(json.dumps({"rows": [ROW]}).encode())

    assert ["a"] == listed(request)[2]


def test_key_and_time_are_kept_where_any_row_has_them() -> None:
    """Fields of the signature's key and time are recorded, null in the rows that lack them."""
    body = json.dumps({"rows": [ROW | {"patient": 7}, ROW]}).encode()

    found = recorded(DIALECTS[ROWS].decode(body))

    assert {"patient": [7, None]} == {name: found[name] for name in found.keys() - set(DATATYPES)}


def test_a_null_character_is_found_by_fast_decoding() -> None:
    """A string that Postgres can't store is refused, however well-typed it is."""
    body = json.dumps({"rows": [ROW | {"class": "a\0b"}]}).encode()

    with pytest.raises(InvalidInput, match="NUL"):
        DIALECTS[ROWS].decode(body)


def test_the_first_of_many_faults_is_named_with_their_number() -> None:
    """One problem document names the first value and counts the rest."""
    body = json.dumps({"rows": [ROW, ROW | {"age": "x"}, ROW | {"age": "y"}]}).encode()

    with pytest.raises(
        InvalidInput,
        match=r"row 1, column age: 'x' is a string, not a whole number \(and 1 more values\)",
    ) as caught:
        DIALECTS[ROWS].decode(body)
    assert "rows[1].age" == caught.value.field


@pytest.mark.parametrize(
    ("value", "fits"), [(1, True), (1.5, False), (True, False), (2**63, False)]
)
def test_an_integer_tensor_holds_whole_numbers_even_for_a_float_column(
    value: Any, fits: bool
) -> None:
    """INT64 is widened for a column of any numbers; a fraction in it is the client's mistake."""
    body = tensors([ROW])
    body["inputs"][1] |= {"datatype": "INT64", "data": [value]}
    if fits:
        assert [value] == listed(DIALECTS[INFERENCE].decode(json.dumps(body).encode()))[1]
    else:
        with pytest.raises(InvalidInput, match="row 0, column bmi"):
            DIALECTS[INFERENCE].decode(json.dumps(body).encode())


FIELDS = {"<ROW>": ROW, "<INPUTS>": tensors([ROW]), "<TENSOR>": tensors([ROW])["inputs"][0]}


@pytest.mark.parametrize(
    ("dialect", "body", "field"),
    [
        (ROWS, '{"rows":[{<ROW>},{"age" :2,<ROW>}]}', "rows[1].age"),
        (ROWS, '{"rows":[{<ROW>,"patient":"a:b","patient":"c"}]}', "rows[0].patient"),
        (ROWS, '{"rows":[],"rows":[{<ROW>}]}', "rows"),
        (ROWS, '{"id":"x","rows":[{<ROW>}],"id":"y"}', "id"),
        (INFERENCE, '{"inputs":[],<INPUTS>}', "inputs"),
        (INFERENCE, '{<INPUTS>,"id":"1:2","\\u0069d":"2"}', "id"),
        (INFERENCE, '{"inputs":[{<TENSOR>,"datatype":"INT8"}]}', "inputs[0].datatype"),
        (INFERENCE, '{<INPUTS>,"parameters":{"a":1,"a":2}}', "parameters.a"),
    ],
)
def test_a_key_that_is_there_twice_is_refused(dialect: str, body: str, field: str) -> None:
    """Neither value is believed: the key is named with its place, however it is written."""
    for name, part in FIELDS.items():
        body = body.replace(name, json.dumps(part)[1:-1])

    with pytest.raises(InvalidInput, match="is there twice") as caught:
        DIALECTS[dialect].decode(body.encode())
    assert field == caught.value.field


@pytest.mark.parametrize(
    ("dialect", "more"),
    [
        (ROWS, {"rows": [ROW | {"class": '":":', "seen_at": "2025-01-02T03:04"}], "id": "a:b"}),
        (ROWS, {"rows": [ROW | {"patient": 1}, ROW], "id": None}),
        (INFERENCE, tensors([ROW | {"class": "12:30"}]) | {"parameters": {"a": {"b": ":"}}}),
        (INFERENCE, tensors([ROW]) | {"id": '":', "unknown": {"a": [{"b": 1}]}}),
        (INFERENCE, tensors([ROW]) | {"outputs": [{"name": "prediction", "parameters": None}]}),
    ],
)
def test_colons_and_parameters_are_no_second_keys(dialect: str, more: dict[str, Any]) -> None:
    """Times, ids and whatever a client's library adds are taken."""
    request = DIALECTS[dialect].decode(json.dumps(more).encode())

    assert 1 == listed(request)[0][0]


PREDICTION = Prediction(
    "our-id",
    "ward",
    "3",
    DecodedRequest([], 2, b"", "client-id"),
    {"prediction": ["no", "yes"], "probabilities": [[0.75, 0.25], [0.0, 1.0]]},
)


def test_plain_rows_are_answered_with_named_probabilities() -> None:
    """Each row's probabilities carry the names of the classes."""
    assert {
        "id": "our-id",
        "model": "ward",
        "version": "3",
        "client_id": "client-id",
        "predictions": ["no", "yes"],
        "probabilities": [{"no": 0.75, "yes": 0.25}, {"no": 0.0, "yes": 1.0}],
    } == json.loads(DIALECTS[ROWS].encode(PREDICTION))


def test_tensors_are_answered_flat_with_their_shape() -> None:
    """Probabilities are one tensor, rows times classes; `id` is the client's, ours a parameter."""
    assert {
        "model_name": "ward",
        "model_version": "3",
        "id": "client-id",
        "parameters": {"request_id": "our-id", "client_id": "client-id"},
        "outputs": [
            {"name": "prediction", "shape": [2], "datatype": "BYTES", "data": ["no", "yes"]},
            {
                "name": "probabilities",
                "shape": [2, 2],
                "datatype": "FP64",
                "data": [0.75, 0.25, 0.0, 1.0],
            },
        ],
    } == json.loads(DIALECTS[INFERENCE].encode(PREDICTION))


def test_the_documented_examples_are_true() -> None:
    """The requests of the OpenAPI page are decoded, and responses look as they are shown there."""
    columns = (
        Column(name="age", dtype="int64"),
        Column(name="bmi", dtype="float64"),
        Column(name="smoker", dtype="bool"),
    )
    outputs = (
        Output(name="prediction", dtype="int64"),
        Output(name="probabilities", dtype="float64", width=2),
    )
    dialects = compile_all(
        SIGNATURE.model_copy(update={"inputs": columns, "outputs": outputs, "classes": (0, 1)})
    )
    pages = (
        (ROWS, examples.ROWS_REQUEST, examples.ROWS_RESPONSE),
        (ROWS, examples.COLUMNS_REQUEST, examples.ROWS_RESPONSE),
        (KSERVE, examples.KSERVE_COLUMNS_REQUEST, examples.KSERVE_COLUMNS_RESPONSE),
        *((KSERVE, one, examples.KSERVE_RESPONSE) for one in examples.KSERVE_REQUESTS.values()),
        *((MLFLOW, one, examples.MLFLOW_RESPONSE) for one in examples.MLFLOW_REQUESTS.values()),
        (MLFLOW_CSV, examples.MLFLOW_CSV_REQUEST, examples.MLFLOW_RESPONSE),
        (INFERENCE, examples.INFERENCE_REQUEST, examples.INFERENCE_RESPONSE),
    )
    found = []
    for name, request, _ in pages:
        text = request if isinstance(request, str) else json.dumps(request)
        decoded = dialects[name].decode(text.encode())
        given = {"prediction": [1], "probabilities": [[0.21, 0.79]]}
        found.append(
            json.loads(
                dialects[name].encode(
                    Prediction(examples.REQUEST_ID, "example", "3", decoded, given)
                )
            )
        )

    assert [answer for *_, answer in pages] == found


def test_a_bool_target_is_answered_with_true_and_false() -> None:
    """As its labels are sent, with the classes named alike, though the model says 1 and 0."""
    signature = SIGNATURE.model_copy(
        update={
            "classes": (0, 1),
            "outputs": (
                Output(name="prediction", dtype="int64"),
                Output(name="probabilities", dtype="float64", width=2),
            ),
        }
    ).answering("bool")
    given = {"prediction": [True], "probabilities": [[0.25, 0.75]]}
    prediction = Prediction("our-id", "ward", "3", DecodedRequest([], 1, b""), given)
    dialects = compile_all(signature)
    found = {name: json.loads(dialects[name].encode(prediction)) for name in (INFERENCE, ROWS)}

    assert [True] == found[ROWS]["predictions"]
    assert [{"false": 0.25, "true": 0.75}] == found[ROWS]["probabilities"]
    assert {"name": "prediction", "shape": [1], "datatype": "BOOL", "data": [True]} == found[
        INFERENCE
    ]["outputs"][0]
    assert (False, True) == signature.named_classes


@pytest.mark.parametrize("target", ["int64", "string"])
def test_other_targets_are_answered_as_the_model_says(target: Any) -> None:
    """Only a bool has another name in the model."""
    assert SIGNATURE == SIGNATURE.answering(target)
