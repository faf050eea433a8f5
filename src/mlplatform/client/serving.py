"""Predictions over HTTP, in plain rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import httpx

from mlplatform.client.json_http import raise_for
from mlplatform.errors import Unavailable


class ServingClient:
    """A blocking client with one connection pool; use as a context manager.

    Safe to share between threads.
    """

    def __init__(self, url: str, token: str | None, *, timeout_s: float = 30.0) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def predict(
        self, name: str, rows: Sequence[Mapping[str, Any]], *, client_id: str | None = None
    ) -> dict[str, Any]:
        """Ask for predictions of rows (column -> value): {"id", "model", "version", "predictions", "probabilities"?}.

        Raises the server's error (InvalidInput names column and row), or Unavailable when there is
        no answer.
        """
        body = {"rows": list(rows)} | ({"id": client_id} if client_id else {})
        return dict(self._call("POST", f"/v1/models/{name}/predict", json=body))

    def outbox(self) -> dict[str, Any]:
        """What the outbox says of itself: {"outbox_id", "accepted", "acknowledged", "bytes", "versions"}."""
        return dict(self._call("GET", "/v1/outbox"))

    def _call(self, method: str, path: str, **options: Any) -> Any:
        try:
            answer = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise Unavailable(
                f"no answer from serving at {self._http.base_url}: {error}"
            ) from error
        raise_for(answer)
        return answer.json()
