"""Content types: which ones a dialect reads, and which reader a body gets."""

from __future__ import annotations

from collections.abc import Mapping

from mlplatform.errors import UnsupportedMedia
from mlplatform.serving.dialects import INFERENCE, KSERVE, MLFLOW, MLFLOW_CSV, ROWS
from mlplatform.serving.request import Route

_JSON = b"application/json"
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

    Raises UnsupportedMedia for others, and for binary tensors.
    """
    _refuse_binary(headers)
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


def _refuse_binary(headers: Mapping[bytes, bytes]) -> None:
    if b"inference-header-content-length" in headers:
        raise UnsupportedMedia(
            "binary tensors are not supported",
            field="inference-header-content-length",
            fix="send tensors as JSON",
        )
