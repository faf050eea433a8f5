"""JSON over HTTP to one of our own servers.

Errors come back as the exceptions that the server raised (`mlplatform.errors`). Only this package
uses it: everybody else calls the typed methods of `DataApi` and `ServingClient`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Self, TypeVar

import httpx
from pydantic import BaseModel, SecretStr, ValidationError

from mlplatform.errors import InvalidInput, TryLater, Unavailable
from mlplatform.retry import retry
from mlplatform.telemetry import logger
from mlplatform.web import problem

Shape = TypeVar("Shape", bound=BaseModel)
_log = logger("client")


class JsonHttp:
    """One connection pool to `server` (its name in messages); use as a context manager.

    With `retry_s` a call that another try may help is repeated for so many seconds, so all calls
    must be safe to repeat. Safe to share between threads.
    """

    def __init__(
        self,
        server: str,
        url: str,
        token: SecretStr | None,
        *,
        timeout_s: float,
        retry_s: float = 0.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
        self.server = server
        self.http = httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=timeout_s)
        self._retry_s = retry_s
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def get(self, path: str, **parameters: Any) -> Any:
        """The JSON document at `path`. Parameters that are None are left out."""
        given = {key: value for key, value in parameters.items() if value is not None}
        return _document(self.call("GET", path, params=given))

    def post(self, path: str, body: BaseModel | None = None, **options: Any) -> Any:
        """Send a record as JSON, return the JSON answer (None for an empty one)."""
        if body is not None:
            options["json"] = body.model_dump(mode="json")
        return _document(self.call("POST", path, **options))

    def put(self, path: str, body: BaseModel) -> Any:
        """Send a record as JSON, return the JSON answer."""
        return _document(self.call("PUT", path, json=body.model_dump(mode="json")))

    def delete(self, path: str, **parameters: Any) -> Any:
        """Delete what is at `path`, return the JSON answer. Parameters may be None, as in `get`."""
        given = {key: value for key, value in parameters.items() if value is not None}
        return _document(self.call("DELETE", path, params=given))

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A response with a 2xx code.

        Raises the server's error, or Unavailable when there is no answer.
        """
        return retry(
            lambda: self._once(method, path, options),
            seconds=self._retry_s,
            on_retry=self._warn,
            sleep=self._sleep,
        )

    def no_answer(self, error: Exception) -> Unavailable:
        """The error of a server that could not be reached."""
        return Unavailable(
            f"no answer from {self.server} at {self.http.base_url}: {error}",
            fix="is that the address, and does it run? `mlplatform status` shows a local stack",
        )

    def _once(self, method: str, path: str, options: Mapping[str, Any]) -> httpx.Response:
        try:
            answer = self.http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise self.no_answer(error) from error
        raise_for(answer)
        return answer

    def _warn(self, error: TryLater) -> None:
        _log.warning(f"{self.server} is away, trying again", error=str(error))


def raise_for(answer: httpx.Response) -> None:
    """Raise the error of a problem document; a 2xx passes. The body must have been read."""
    if answer.is_success:
        return
    try:
        body = answer.json()
    except ValueError:
        body = None
    raise problem.restore(body, answer.status_code)


def request(kind: type[Shape], /, **values: Any) -> Shape:
    """A request of these values. Raises InvalidInput that names the field, as the server would."""
    return _checked(kind, values, "")


def parse(kind: type[Shape], document: Any) -> Shape:
    """An answer as its contract. Raises InvalidInput when it breaks it."""
    return _checked(kind, document, f"the answer is not a {kind.__name__}: ")


def parse_list(kind: type[Shape], documents: Any) -> list[Shape]:
    """A list of answers as their contract. Raises InvalidInput when one breaks it."""
    return [parse(kind, document) for document in documents]


def _checked(kind: type[Shape], values: Any, what: str) -> Shape:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"{what}{first['msg']}", field=field) from error


def _document(answer: httpx.Response) -> Any:
    return answer.json() if answer.content else None
