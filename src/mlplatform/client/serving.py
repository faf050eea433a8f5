"""Predictions over HTTP: plain rows, and tensors for many of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self
from urllib.parse import quote

from pydantic import SecretStr, TypeAdapter

from mlplatform.client.json_http import JsonHttp, parse
from mlplatform.client.predict.tensors import TensorAnswer, TensorBody, decoded
from mlplatform.contracts.model_metadata import ModelMetadata
from mlplatform.contracts.outbox_report import OutboxView
from mlplatform.contracts.predicted_rows import PredictedRows

_METADATA = TypeAdapter(ModelMetadata)
_JSON_BYTES = "Inference-Header-Content-Length"


class ServingClient:
    """A blocking client with one connection pool; use as a context manager.

    Nothing is repeated: every answered request is stored. Safe to share between threads.
    """

    def __init__(self, url: str, token: str | None, *, timeout_s: float = 30.0) -> None:
        secret = SecretStr(token) if token else None
        self._http = JsonHttp("serving", url, secret, timeout_s=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._http.__exit__(*error)

    def predict(
        self, name: str, rows: Sequence[Mapping[str, Any]], *, client_id: str | None = None
    ) -> PredictedRows:
        """Predictions of rows (column -> value); `client_id` is stored with the request.

        Raises the server's error (InvalidInput names column and row), or Unavailable when there is
        no answer.
        """
        body = {"rows": list(rows)} | ({"id": client_id} if client_id else {})
        path = f"/v1/models/{quote(name, safe='')}/predict"
        return parse(PredictedRows, self._http.post(path, json=body))

    def metadata(self, name: str, *, version: str | None = None) -> ModelMetadata:
        """Columns and outputs of a model. Raises UnknownName, or Unavailable when none serves."""
        return _METADATA.validate_python(self._http.get(_tensor_path(name, version)))

    def infer(self, name: str, body: TensorBody, *, version: str | None = None) -> TensorAnswer:
        """The answer to one request of tensors whose outputs come as bytes. Raises as `predict`."""
        headers = {"Content-Type": "application/json"}
        if body.json_bytes is not None:
            headers = {
                "Content-Type": "application/octet-stream",
                _JSON_BYTES: str(body.json_bytes),
            }
        path = f"{_tensor_path(name, version)}/infer"
        answer = self._http.call("POST", path, content=body.content, headers=headers)
        return decoded(answer.content, int(answer.headers[_JSON_BYTES]))

    def ready(self) -> dict[str, str]:
        """Return when serving can answer; pipeline -> why its promoted version can't be loaded.

        Raises Unavailable that says what is missing. Needs no token.
        """
        degraded: dict[str, str] = self._http.get("/readyz").get("degraded", {})
        return degraded

    def outbox(self) -> OutboxView:
        """What waits for the queue, and which versions serve. Needs no token."""
        return parse(OutboxView, self._http.get("/v1/outbox"))


def _tensor_path(name: str, version: str | None) -> str:
    chosen = "" if version is None else f"/versions/{quote(version, safe='')}"
    return f"/v2/models/{quote(name, safe='')}{chosen}"
