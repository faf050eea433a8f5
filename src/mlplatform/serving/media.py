"""Content types: which ones a dialect reads, and which reader a body gets."""

from __future__ import annotations

from collections.abc import Mapping

from mlplatform.errors import InvalidInput, UnsupportedMedia
from mlplatform.serving.dialects import INFERENCE, KSERVE, MLFLOW, MLFLOW_CSV, ROWS
from mlplatform.serving.request import Route

_JSON = b"application/json"
JSON_BYTES = b"inference-header-content-length"
"""The header of the binary tensor extension: how much of a body is JSON."""
_DIGITS = 18  # of that length; more are never right, and cost time to read
_READERS: Mapping[str, Mapping[bytes, str]] = {
    ROWS: {_JSON: ROWS},
    INFERENCE: {_JSON: INFERENCE},
    KSERVE: {_JSON: KSERVE},
    MLFLOW: {_JSON: MLFLOW, b"text/csv": MLFLOW_CSV},
}
"""Dialect of a path -> content type without parameters -> dialect that reads such a body."""
_PARAMETERS: Mapping[bytes, tuple[bytes, ...]] = {
    b"charset": (b"utf-8", b"utf8", b"us-ascii"),
    b"header": (b"present",),
    b"format": (b"pandas-split", b"pandas-records"),  # MLflow's before 2: bodies show it anyway
}
"""What parameters of MLflow's content types may say."""


def reading(route: Route, headers: Mapping[bytes, bytes]) -> Route:
    """The route with the dialect that reads a body of this content type; JSON if none is given.

    Raises UnsupportedMedia for others, and for binary tensors in most dialects.
    """
    if JSON_BYTES in headers:
        return _binary(route, headers)
    given = headers.get(b"content-type", _JSON)
    if given == _JSON:
        return route
    kind, *parameters = (part.strip().lower() for part in given.split(b";"))
    readers = _READERS[route.dialect]
    if kind not in readers:
        raise UnsupportedMedia(
            f"content type {kind.decode('latin-1')!r} is not supported",
            field="content-type",
            fix=f"send {' or '.join(one.decode() for one in readers)}",
        )
    if route.dialect == MLFLOW:
        _refuse_parameters(parameters)
    return route._replace(dialect=readers[kind])


def _binary(route: Route, headers: Mapping[bytes, bytes]) -> Route:
    """The route of a body with binary tensors, whatever content type their client gives it."""
    if route.dialect != INFERENCE:
        raise UnsupportedMedia(
            "binary tensors are not supported here",
            field=JSON_BYTES.decode(),
            fix="send JSON, or tensors to the infer route of /v2",
        )
    kind = headers.get(b"content-type", _JSON).split(b";", 1)[0].strip().lower()
    if kind not in (_JSON, b"application/octet-stream"):
        raise UnsupportedMedia(
            f"content type {kind.decode('latin-1')!r} is not supported",
            field="content-type",
            fix="send application/octet-stream",
        )
    length = headers[JSON_BYTES]
    if not length.isdigit() or len(length) > _DIGITS:
        raise InvalidInput("must be a number of bytes", field=JSON_BYTES.decode())
    return route._replace(json_bytes=int(length))


def _refuse_parameters(parameters: list[bytes]) -> None:
    """As MLflow does: a parameter may change what the body means."""
    for parameter in parameters:
        name, _, value = parameter.partition(b"=")
        if name and value.strip(b'"') not in _PARAMETERS.get(name, ()):
            raise UnsupportedMedia(
                f"parameter {parameter.decode('latin-1')!r} is not supported",
                field="content-type",
                fix="leave it out; bodies are UTF-8, and CSV begins with a header",
            )
