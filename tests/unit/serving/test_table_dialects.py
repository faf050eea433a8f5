"""KServe v1, MLflow and columns of plain rows: what is read, what is refused, what is answered."""

from __future__ import annotations

import json
import time
from typing import Any

import msgspec
import pytest
from dialect_bodies import ROW, SIGNATURE, columnar, split

from mlplatform.contracts.columns import Column
from mlplatform.contracts.request_inputs import RecordedInputs, columns_of
from mlplatform.errors import InvalidInput
from mlplatform.serving.dialects import KSERVE, MLFLOW, MLFLOW_CSV, ROWS, compile_all
from mlplatform.serving.dialects.refusals import members
from mlplatform.serving.request import DecodedRequest, Prediction

DIALECTS: dict[str, Any] = dict(compile_all(SIGNATURE))
ONE = SIGNATURE.model_copy(
    update={"inputs": (Column(name="age", dtype="int64"),), "key": None, "time": None}
)
LIST = list(ROW.values())
ROWS_OF_COLUMNS = columnar([ROW])
SPLIT = split([ROW])
EXTRAS = {"patient": 7, "seen_at": "2026-01-02"}


def decode(dialect: str, document: Any) -> DecodedRequest:
    """The request in a document, or in bytes as they are."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    request: DecodedRequest = DIALECTS[dialect].decode(body)
    return request


def recorded(request: DecodedRequest) -> dict[str, list[Any]]:
    """The inputs that a reader of the record sees."""
    form = msgspec.json.decode(request.body, type=RecordedInputs)
    return columns_of(form, request.rows)


GOOD: list[tuple[str, Any]] = [
    (KSERVE, {"instances": [ROW | {"age": 1.0}]}),
    (KSERVE, {"instances": [LIST, ROW]}),
    (KSERVE, {"inputs": ROWS_OF_COLUMNS, "signature_name": "serving_default"}),
    (KSERVE, {"inputs": [LIST], "signature_name": None, "parameters": {}}),
    (KSERVE, {"instances": [ROW | {"class": 'a":b'}], "parameters": None}),
    (MLFLOW, {"dataframe_split": SPLIT, "params": {}}),
    (MLFLOW, {"dataframe_split": SPLIT | {"index": ["a"]}, "params": None}),
    (MLFLOW, {"dataframe_split": {"data": [LIST[::-1]], "columns": list(ROW)[::-1]}}),
    (MLFLOW, b' {"data": [[1, NaN, "NaN", true]], "columns": ["age", "bmi", "class", "smoker"]}'),
    (MLFLOW, {"inputs": [LIST]}),
    (MLFLOW_CSV, b"age,bmi,class,smoker\n1,2.5,a,true\n"),
    (MLFLOW_CSV, b'\xef\xbb\xbfsmoker, class ,bmi,age\r\nTRUE,"a, ""b""\r\nc",,1.0\r\n\r\n'),
    (MLFLOW_CSV, b"age,bmi,class,smoker\n 1 ,nan,,1"),
    (ROWS, {"columns": ROWS_OF_COLUMNS, "id": "mine"}),
    (ROWS, {"columns": ROWS_OF_COLUMNS | {"age": [1.0]}, "id": None}),
]


@pytest.mark.parametrize(("dialect", "document"), GOOD)
def test_every_way_to_write_a_good_row_is_read(dialect: str, document: Any) -> None:
    """Other orders, spellings and what clients add by themselves change nothing."""
    found = recorded(decode(dialect, document))

    assert 1 == found["age"][0]
    assert True is found["smoker"][0]


@pytest.mark.parametrize(
    ("dialect", "document"),
    [
        (KSERVE, {"instances": [ROW | EXTRAS]}),
        (KSERVE, {"inputs": columnar([ROW | EXTRAS])}),
        (KSERVE, {"instances": [ROW | EXTRAS | {"age": 1.0}]}),
        (MLFLOW, {"dataframe_split": split([ROW | EXTRAS])}),
        (MLFLOW, {"dataframe_records": [ROW | EXTRAS]}),
        (ROWS, {"columns": columnar([ROW | EXTRAS])}),
        (ROWS, {"columns": columnar([ROW | EXTRAS | {"age": 1.0}])}),
    ],
)
def test_key_and_time_are_kept_in_every_form(dialect: str, document: Any) -> None:
    """They are stored with the request, and never reach the model."""
    found = recorded(decode(dialect, document))

    assert {name: [value] for name, value in EXTRAS.items()} == {
        name: found[name] for name in EXTRAS
    }


def test_a_key_in_csv_is_a_text() -> None:
    """As in an import; a time may be a number there."""
    body = b"age,bmi,class,smoker,patient,seen_at\n1,2,a,1,007,1700000000\n1,2,a,1,,2026-01-02\n"

    found = recorded(decode(MLFLOW_CSV, body))

    assert ["007", None] == found["patient"]
    assert [1700000000, "2026-01-02"] == found["seen_at"]


def test_an_extra_may_be_missing_in_some_rows() -> None:
    """It is null in those that lack it, decoded fast or slowly."""
    bodies = [{"instances": [ROW | {"patient": 7}, ROW | {"age": age}]} for age in (1, 1.0)]

    assert [[7, None]] * 2 == [recorded(decode(KSERVE, body))["patient"] for body in bodies]


@pytest.mark.parametrize("body", [{"instances": [5, 6]}, {"instances": [[5], {"age": 6}]}])
def test_a_row_of_one_column_may_be_its_value(body: Any) -> None:
    """Lists and objects work all the same."""
    dialects: Any = compile_all(ONE)

    assert [[[5, 6]]] * 2 == [
        dialects[name].decode(json.dumps(body).encode()).blocks for name in (KSERVE, MLFLOW)
    ]


BAD: list[tuple[str, Any, str, str]] = [
    (KSERVE, {}, "body", "exactly one of instances, inputs"),
    (KSERVE, {"instances": [ROW], "inputs": [ROW]}, "inputs", "exactly one of"),
    (KSERVE, {"instances": [ROW], "extra": 1}, "extra", "unknown fields: extra"),
    (KSERVE, {"instances": []}, "instances", "at least one row"),
    (KSERVE, {"instances": ROW}, "instances", "at least one row"),
    (KSERVE, {"instances": [LIST, [1, 2]]}, "instances[1]", "row 1 has 2 values, there are 4 col"),
    (KSERVE, {"instances": [[*LIST, 1]]}, "instances[0]", "row 0 has 5 values"),
    (KSERVE, {"instances": [5]}, "instances[0]", "row 0 must be a list of values"),
    (KSERVE, {"instances": [[True, *LIST[1:]]]}, "instances[0].age", "row 0, column age: True is"),
    (KSERVE, {"instances": [["1", *LIST[1:]]]}, "instances[0].age", "'1' is a string"),
    (KSERVE, {"instances": [ROW | {"age": 2**63}]}, "instances[0].age", "too large for 64 bits"),
    (KSERVE, {"instances": [ROW | {"class": "\0"}]}, "instances[0].class", "NUL"),
    (KSERVE, {"instances": [ROW | {"class": {"b64": "YQ=="}}]}, "instances[0].class", "object"),
    (KSERVE, {"instances": [ROW | {"zip": 1}]}, "instances[0].zip", "row 0: unknown column zip"),
    (KSERVE, {"instances": [{"age": 1}]}, "instances[0].bmi", "missing column bmi, class, smoker"),
    (KSERVE, {"instances": [ROW | {"patient": True}]}, "instances[0].patient", "column patient"),
    (KSERVE, {"inputs": {}}, "inputs.age", "missing column age, bmi"),
    (KSERVE, {"inputs": 5}, "inputs", "at least one row"),
    (KSERVE, {"instances": [ROW], "signature_name": "b"}, "signature_name", "no signature 'b'"),
    (KSERVE, {"instances": [ROW], "parameters": {"k": 1}}, "parameters.k", "take no parameters"),
    (KSERVE, b'{"instances":[[1,1e999,"a",true]]}', "body", "not JSON"),
    (KSERVE, b'{"instances":[[1,NaN,"a",true]]}', "body", "not JSON"),
    (KSERVE, b'{"instances":[[1,2,"a",true]],"instances":[]}', "instances", "is there twice"),
    (KSERVE, b"[" * 100_000, "body", "nested too deeply"),
    (KSERVE, b"\xff", "body", "not JSON"),
    (MLFLOW, {"dataframe_split": 5}, "dataframe_split", "object of columns and data"),
    (MLFLOW, {"dataframe_split": SPLIT | {"a": 1}}, "a", "dataframe_split has unknown fields"),
    (MLFLOW, {"dataframe_split": {"columns": [1]}}, "dataframe_split.columns", "column names"),
    (
        MLFLOW,
        {"dataframe_split": SPLIT | {"columns": ["age", "age"]}},
        "dataframe_split.columns",
        "column age comes twice",
    ),
    (
        MLFLOW,
        {"dataframe_split": SPLIT | {"columns": ["age", "zip"]}},
        "dataframe_split.columns.bmi",
        "missing column bmi, class, smoker",
    ),
    (
        MLFLOW,
        {"dataframe_split": SPLIT | {"data": [LIST, 5]}},
        "dataframe_split.data[1]",
        "row 1 must be a list of values",
    ),
    (MLFLOW, {"dataframe_split": SPLIT | {"data": []}}, "dataframe_split.data", "at least one"),
    (MLFLOW, {"dataframe_split": SPLIT | {"index": [1, 2]}}, "dataframe_split.index", "per row"),
    (
        MLFLOW,
        {"dataframe_split": SPLIT | {"data": [[1.5, *LIST[1:]]]}},
        "dataframe_split.data[0].age",
        "row 0, column age: 1.5 is not a whole number",
    ),
    (MLFLOW, {"dataframe_records": [LIST]}, "dataframe_records[0]", "must be an object"),
    (MLFLOW, {"inputs": [ROW], "params": {"temperature": 1}}, "params.temperature", "parameters"),
    (MLFLOW, {"inputs": [ROW], "params": 5}, "params", "take no parameters"),
    (MLFLOW, {"columns": 5}, "dataframe_split.columns", "column names"),
    (MLFLOW, [], "dataframe_records", "at least one row"),
    (MLFLOW, b'{"inputs":[[NaN,1,"a",true]]}', "inputs[0].age", "is null"),
    (MLFLOW, b'{"inputs":[[1,Infinity,"a",true]]}', "body", "not JSON"),
    (MLFLOW, b'{"inputs":[[1,2,"NaN', "body", "not JSON"),
    (MLFLOW_CSV, b"", "body", "first line must name the columns"),
    (MLFLOW_CSV, b"1,2.5,a,true\n", "body", "columns are age, bmi, class, smoker"),
    (MLFLOW_CSV, b",age,bmi,class,smoker\n0,1,2.5,a,true\n", "body", "index=False"),
    (MLFLOW_CSV, b"age,age\n1,1", "body", "column age comes twice"),
    (MLFLOW_CSV, b"age,bmi\n1,1", "body.class", "missing column class, smoker"),
    (MLFLOW_CSV, b"age,bmi,class,smoker,zip\n", "body.zip", "unknown column zip"),
    (MLFLOW_CSV, b"age,bmi,class,smoker\n", "body", "at least one row"),
    (MLFLOW_CSV, b"age,bmi,class,smoker\n1,2,a\n", "body", "row 0 has 3 fields, the header has 4"),
    (MLFLOW_CSV, b"age,bmi,class,smoker\n,2,a,1\n", "body.age[0]", "row 0, column age: is null"),
    (MLFLOW_CSV, b"age,bmi,class,smoker\n1_0,2,a,1\n", "body.age[0]", "'1_0' is a string"),
    (MLFLOW_CSV, b"age,bmi,class,smoker\n1,1e999,a,1\n", "body.bmi[0]", "row 0, column bmi"),
    (MLFLOW_CSV, b'age,bmi,class,smoker\n1,2,"a,1\n', "body", "line 2 is not CSV"),
    (MLFLOW_CSV, b"age,bmi,class,smoker\n1,2,a\0,1\n", "body.class[0]", "NUL"),
    (MLFLOW_CSV, b"age,bmi,class,smoker\n1,2,\xff,1\n", "body", "not UTF-8"),
    (ROWS, {"columns": ROWS_OF_COLUMNS, "rows": [ROW]}, "columns", "exactly one of rows, columns"),
    (ROWS, {"columns": [ROW]}, "columns", "an object of column and list of values"),
    (ROWS, {"columns": ROWS_OF_COLUMNS | {"age": 5}}, "columns.age", "must be a list of values"),
    (ROWS, {"columns": ROWS_OF_COLUMNS | {"age": []}}, "columns.age", "at least one row"),
    (
        ROWS,
        {"columns": ROWS_OF_COLUMNS | {"class": ["a", "b"]}},
        "columns.class",
        "column class has 2 values, column age has 1",
    ),
    (ROWS, {"columns": ROWS_OF_COLUMNS | {"patient": []}}, "columns.patient", "at least one row"),
    (ROWS, {"columns": ROWS_OF_COLUMNS | {"age": [None]}}, "columns.age[0]", "column age: is null"),
    (ROWS, {"columns": ROWS_OF_COLUMNS | {"zip": [1]}}, "columns.zip", "unknown column zip"),
    (ROWS, {"columns": ROWS_OF_COLUMNS, "id": 5}, "id", "not a string"),
    (ROWS, {"columns": ROWS_OF_COLUMNS, "id": "x" * 257}, "id", "longer than 256"),
    (ROWS, b'{"columns":{"age":[1],"age":[2]}}', "columns.age", "is there twice"),
]


@pytest.mark.parametrize(("dialect", "document", "field", "detail"), BAD)
def test_a_bad_body_is_refused_by_name(
    dialect: str, document: Any, field: str, detail: str
) -> None:
    """The refusal says which row and column, or which key, and why."""
    with pytest.raises(InvalidInput) as caught:
        decode(dialect, document)

    assert field == caught.value.field
    assert detail in str(caught.value)


def test_a_text_without_an_end_is_refused_at_once() -> None:
    """Also a megabyte of escaped quotation marks beside a NaN, which takes milliseconds."""
    body = b'{"inputs":[NaN,"' + b'\\"' * 500_000
    began = time.process_time()

    with pytest.raises(InvalidInput, match="not JSON"):
        decode(MLFLOW, body)
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("dialect", "document", "answer"),
    [
        (KSERVE, {"instances": [ROW, ROW]}, {"predictions": ["no", "yes"]}),
        (KSERVE, {"inputs": columnar([ROW, ROW])}, {"outputs": ["no", "yes"]}),
        (MLFLOW, {"dataframe_records": [ROW, ROW]}, {"predictions": ["no", "yes"]}),
        (MLFLOW_CSV, b"age,bmi,class,smoker\n1,2,a,1\n1,2,a,1", {"predictions": ["no", "yes"]}),
    ],
)
def test_an_answer_is_one_class_per_row(dialect: str, document: Any, answer: Any) -> None:
    """Under the key that the dialect's clients read."""
    request = decode(dialect, document)
    given = {"prediction": ["no", "yes"], "probabilities": [[0.75, 0.25], [0.0, 1.0]]}
    prediction = Prediction("our-id", "ward", "3", request, given)

    assert answer == json.loads(DIALECTS[dialect].encode(prediction))


@pytest.mark.parametrize(
    ("dialect", "status", "found"),
    [
        (ROWS, 422, {}),
        (KSERVE, 422, {"error": "why"}),
        (MLFLOW, 422, {"error_code": "INVALID_PARAMETER_VALUE", "message": "why"}),
        (MLFLOW_CSV, 415, {"error_code": "BAD_REQUEST", "message": "why"}),
        (MLFLOW, 503, {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "why"}),
    ],
)
def test_an_error_has_what_clients_look_for(dialect: str, status: int, found: Any) -> None:
    """Beside the members of a problem document."""
    assert found == members(dialect, status, "why")
