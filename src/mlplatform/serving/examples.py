"""Requests and responses for the OpenAPI page. Tests send these very requests."""

from __future__ import annotations

from typing import Any

from mlplatform.web import problem

REQUEST_ID = "019b0d0e-3b5a-7c61-b0b4-0d9f6f1f2a31"
ROWS_REQUEST = {"rows": [{"age": 52, "bmi": 27.5, "smoker": False}], "id": "patient-7"}
ROWS_RESPONSE = {
    "id": REQUEST_ID,
    "model": "example",
    "version": "3",
    "client_id": "patient-7",
    "predictions": [1],
    "probabilities": [{"0": 0.21, "1": 0.79}],
}
INFERENCE_REQUEST = {
    "id": "patient-7",
    "inputs": [
        {"name": "age", "datatype": "INT64", "shape": [1], "data": [52]},
        {"name": "bmi", "datatype": "FP64", "shape": [1], "data": [27.5]},
        {"name": "smoker", "datatype": "BOOL", "shape": [1], "data": [False]},
    ],
}
INFERENCE_RESPONSE = {
    "model_name": "example",
    "model_version": "3",
    "id": "patient-7",
    "parameters": {"request_id": REQUEST_ID, "client_id": "patient-7"},
    "outputs": [
        {"name": "prediction", "shape": [1], "datatype": "INT64", "data": [1]},
        {"name": "probabilities", "shape": [1, 2], "datatype": "FP64", "data": [0.21, 0.79]},
    ],
}


COLUMNS_REQUEST = {"columns": {"age": [52], "bmi": [27.5], "smoker": [False]}, "id": "patient-7"}
KSERVE_REQUESTS = {
    "objects": {"instances": [{"age": 52, "bmi": 27.5, "smoker": False}]},
    "lists": {"instances": [[52, 27.5, False]]},
}
KSERVE_RESPONSE = {"predictions": [1]}
KSERVE_COLUMNS_REQUEST = {"inputs": {"age": [52], "bmi": [27.5], "smoker": [False]}}
KSERVE_COLUMNS_RESPONSE = {"outputs": [1]}
MLFLOW_REQUESTS = {
    "dataframe_split": {
        "dataframe_split": {"columns": ["age", "bmi", "smoker"], "data": [[52, 27.5, False]]}
    },
    "dataframe_records": {"dataframe_records": [{"age": 52, "bmi": 27.5, "smoker": False}]},
    "instances": {"instances": [{"age": 52, "bmi": 27.5, "smoker": False}]},
    "inputs": {"inputs": {"age": [52], "bmi": [27.5], "smoker": [False]}},
}
MLFLOW_CSV_REQUEST = "age,bmi,smoker\n52,27.5,false\n"
MLFLOW_RESPONSE = {"predictions": [1]}
TABLE_REQUEST = {
    "inputs": [
        {"name": "input-0", "datatype": "FP64", "shape": [2, 3], "data": [52, 27.5, 0, 41, 24, 1]}
    ]
}
INDEX_RESPONSE = [{"name": "example", "version": "3", "state": "READY", "reason": ""}]


def _operation(request: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"type": "object"}, "example": request}},
        },
        "responses": {
            "200": {
                "description": "The prediction. When it arrives, the request is on disk under "
                "the id in X-Request-Id.",
                "content": {"application/json": {"example": response}},
            }
        },
    }


def _named(requests: dict[str, Any]) -> dict[str, Any]:
    values = {name: {"value": request} for name, request in requests.items()}
    return {"schema": {"type": "object"}, "examples": values}


def _several(requests: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    """An operation with a request for each of several forms."""
    operation = _operation({}, response)
    operation["requestBody"]["content"] = {"application/json": _named(requests)}
    return operation


ROWS = _several({"rows": ROWS_REQUEST, "columns": COLUMNS_REQUEST}, ROWS_RESPONSE)
INFERENCE = _operation(INFERENCE_REQUEST, INFERENCE_RESPONSE)
KSERVE = _several(KSERVE_REQUESTS | {"columns": KSERVE_COLUMNS_REQUEST}, KSERVE_RESPONSE)
MLFLOW = _several(MLFLOW_REQUESTS, MLFLOW_RESPONSE)
MLFLOW["requestBody"]["content"]["text/csv"] = {
    "schema": {"type": "string"},
    "example": MLFLOW_CSV_REQUEST,
}
INFERENCE["requestBody"]["content"] = {
    "application/json": _named({"tensor per column": INFERENCE_REQUEST, "table": TABLE_REQUEST}),
    "application/octet-stream": {
        "schema": {
            "type": "string",
            "format": "binary",
            "description": "JSON, its length in the header Inference-Header-Content-Length, and "
            "the bytes of each tensor whose parameters have a binary_data_size.",
        }
    },
}
INDEX = {
    "requestBody": {
        "content": {"application/json": {"schema": {"type": "object"}, "example": {"ready": True}}}
    },
    "responses": {"200": {"content": {"application/json": {"example": INDEX_RESPONSE}}}},
}
_MEANINGS = {
    401: "No token, or an unknown one.",
    403: "The token is not for this model.",
    404: "No such model, or that version is not loaded.",
    413: "The body, its rows or its record are above a limit.",
    415: "Unsupported content type or encoding.",
    422: "A value does not fit its column; row and column are named.",
    429: "Too many requests are waiting; see Retry-After.",
    503: "No model yet, or requests can't be stored; see Retry-After.",
}
ERRORS: dict[int | str, dict[str, Any]] = {
    code: {"description": meaning, "content": {problem.MEDIA_TYPE: {}}}
    for code, meaning in _MEANINGS.items()
}
