"""What an error's body holds beside the problem document, for clients that expect another shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mlplatform.serving.dialects.names import INFERENCE, KSERVE, MLFLOW, MLFLOW_CSV

_MLFLOW_CODES = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    422: "INVALID_PARAMETER_VALUE",
    429: "REQUEST_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
}


def _error(_: int, message: str) -> dict[str, str]:
    return {"error": message}


def _mlflow(status: int, message: str) -> dict[str, str]:
    return {"error_code": _MLFLOW_CODES.get(status, "BAD_REQUEST"), "message": message}


_MEMBERS: Mapping[str, Callable[[int, str], dict[str, str]]] = {
    INFERENCE: _error,
    KSERVE: _error,
    MLFLOW: _mlflow,
    MLFLOW_CSV: _mlflow,
}


def members(dialect: str, status: int, message: str) -> dict[str, Any]:
    """The members that clients of that dialect look for; none where the problem document is all."""
    made = _MEMBERS.get(dialect)
    return made(status, message) if made else {}
