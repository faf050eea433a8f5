"""Predictions over HTTP, in plain rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self
from urllib.parse import quote

from pydantic import SecretStr

from mlplatform.client.json_http import JsonHttp, parse
from mlplatform.contracts.outbox_report import OutboxView
from mlplatform.contracts.predicted_rows import PredictedRows


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

    def ready(self) -> dict[str, str]:
        """Return when serving can answer; pipeline -> why its promoted version can't be loaded.

        Raises Unavailable that says what is missing. Needs no token.
        """
        degraded: dict[str, str] = self._http.get("/readyz").get("degraded", {})
        return degraded

    def outbox(self) -> OutboxView:
        """What waits for the queue, and which versions serve. Needs no token."""
        return parse(OutboxView, self._http.get("/v1/outbox"))
