"""What the OpenAPI page says about predictions: bodies, headers, answers and errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Security
from fastapi.security import HTTPBearer

from mlplatform.serving import examples
from mlplatform.serving.body_schemas import PROPERTIES, SIZE, refusal
from mlplatform.serving.deadline import MOST_MS
from mlplatform.serving.dialects import INFERENCE, KSERVE, MLFLOW, ROWS, UNVERSIONED, refusals
from mlplatform.web import problem

TOKEN = [Security(HTTPBearer(auto_error=False, description="A token with the role predict."))]
"""For routers: it only shows that a token is needed. Who may come in is decided elsewhere."""
_JSON = "application/json"
_MEANINGS = {
    401: "No token, or an unknown one.",
    403: "The token is not for this model.",
    404: "No such model, or that version is not loaded.",
    408: "The body did not arrive in time.",
    409: "The server does not do that for clients.",
    413: "The body, its rows or its record are above a limit.",
    415: "Unsupported content type or encoding.",
    422: "A value does not fit its column; row and column are named.",
    429: "Too many requests are waiting, or the caller is above its rate; see Retry-After.",
    500: "An unexpected error, or a model that refuses what it answered in its trial.",
    503: "No model yet, or requests can't be stored; see Retry-After.",
    504: "The time of X-Request-Timeout-Ms is over; the request is not stored.",
}
_TIMEOUT = {
    "name": "X-Request-Timeout-Ms",
    "in": "header",
    "description": "How long the client waits, in milliseconds. A request whose time is over "
    "before the model has begun with it is not computed and not stored, and gets 504.",
    "schema": {"type": "integer", "minimum": 1, "maximum": MOST_MS},
}
_ENCODING = {
    "name": "Content-Encoding",
    "in": "header",
    "description": "How the body is compressed.",
    "schema": {"enum": ["gzip", "deflate", "zstd"]},
}
_JSON_LENGTH = {
    "name": "Inference-Header-Content-Length",
    "in": "header",
    "description": "With binary tensors: how many bytes of the body are JSON.",
    "schema": SIZE,
}
_REQUEST_ID = {"X-Request-Id": {"description": "Ours.", "schema": {"type": "string"}}}
_VERSION = {"X-Model-Version": {"description": "Which answered.", "schema": {"type": "string"}}}
_BYTES = {
    "schema": {
        "type": "string",
        "format": "binary",
        "description": "JSON, its length in the header Inference-Header-Content-Length, and the "
        "bytes of each tensor whose parameters have a binary_data_size.",
    }
}


def errors(dialect: str, *codes: int) -> dict[int | str, dict[str, Any]]:
    """The refusals of a route, in the shape that the dialect's clients read; all without codes."""
    more = refusals.members(dialect, 422, "…")
    kind = _JSON if more else problem.MEDIA_TYPE
    schema = refusal(more)
    return {
        code: {"description": _MEANINGS[code], "content": {kind: {"schema": schema}}}
        for code in codes or sorted(_MEANINGS.keys() - {409})
    }


def _operation(
    dialect: str, requests: Mapping[str, Any], response: Any, *, parameters: Any = ()
) -> dict[str, Any]:
    """A prediction, for a route's `openapi_extra`."""
    schema = {"type": "object", "properties": PROPERTIES[dialect]}
    named = {name: {"value": request} for name, request in requests.items()}
    headers = _REQUEST_ID | (_VERSION if dialect in UNVERSIONED else {})
    return {
        "parameters": [_TIMEOUT, _ENCODING, *parameters],
        "requestBody": {
            "required": True,
            "content": {_JSON: {"schema": schema, "examples": named}},
        },
        "responses": {
            "200": {
                "description": "The prediction. When it arrives, the request is on disk under "
                "the id in X-Request-Id.",
                "headers": headers,
                "content": {_JSON: {"schema": {"type": "object"}, "example": response}},
            }
        },
    }


PREDICT = _operation(
    ROWS,
    {"rows": examples.ROWS_REQUEST, "columns": examples.COLUMNS_REQUEST},
    examples.ROWS_RESPONSE,
)
INFER = _operation(
    INFERENCE,
    {"tensor per column": examples.INFERENCE_REQUEST, "table": examples.TABLE_REQUEST},
    examples.INFERENCE_RESPONSE,
    parameters=[_JSON_LENGTH],
)
for _part in (INFER["requestBody"], INFER["responses"]["200"]):
    _part["content"]["application/octet-stream"] = _BYTES
PREDICT_V1 = _operation(
    KSERVE,
    examples.KSERVE_REQUESTS | {"columns": examples.KSERVE_COLUMNS_REQUEST},
    examples.KSERVE_RESPONSE,
)
INVOKE = _operation(MLFLOW, examples.MLFLOW_REQUESTS, examples.MLFLOW_RESPONSE)
INVOKE["requestBody"]["content"]["text/csv"] = {
    "schema": {"type": "string"},
    "example": examples.MLFLOW_CSV_REQUEST,
}
INDEX = {
    "requestBody": {
        "content": {
            _JSON: {
                "schema": {"type": "object", "properties": {"ready": {"type": "boolean"}}},
                "example": {"ready": True},
            }
        }
    },
    "responses": {"200": {"content": {_JSON: {"example": examples.INDEX_RESPONSE}}}},
}
