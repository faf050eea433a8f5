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


ROWS = _operation(ROWS_REQUEST, ROWS_RESPONSE)
INFERENCE = _operation(INFERENCE_REQUEST, INFERENCE_RESPONSE)
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
