"""JSON calls to the data API.

Errors come back as the exceptions that the server raised (`mlplatform.errors`).
"""

from __future__ import annotations

from typing import Any, Self

import httpx
from pydantic import SecretStr

from mlplatform.errors import Unavailable
from mlplatform.web import problem


class DataApi:
    """A blocking client with one connection pool; use as a context manager.

    Safe to share between threads.
    """

    def __init__(self, url: str, token: SecretStr | None, *, timeout_s: float = 30.0) -> None:
        headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
        self.http = httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def get(self, path: str, **parameters: Any) -> Any:
        """The JSON document at `path`. Parameters that are None are left out."""
        return self.call(
            "GET",
            path,
            params={key: value for key, value in parameters.items() if value is not None},
        )

    def post(self, path: str, body: Any = None) -> Any:
        """Send a JSON document, return the JSON answer (None for an empty one)."""
        return self.call("POST", path, json=body)

    def put(self, path: str, body: Any) -> Any:
        """Send a JSON document, return the JSON answer."""
        return self.call("PUT", path, json=body)

    def delete(self, path: str) -> Any:
        """Delete what is at `path`."""
        return self.call("DELETE", path)

    def call(self, method: str, path: str, **options: Any) -> Any:
        """One request. Raises the server's error, or Unavailable when there is no answer."""
        try:
            answer = self.http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise Unavailable(
                f"no answer from the data API at {self.http.base_url}: {error}"
            ) from error
        raise_for(answer)
        return answer.json() if answer.content else None


def raise_for(answer: httpx.Response) -> None:
    """Raise the error of a problem document; a 2xx passes. The body must have been read."""
    if answer.is_success:
        return
    try:
        body = answer.json()
    except ValueError:
        body = None
    raise problem.restore(body, answer.status_code)
