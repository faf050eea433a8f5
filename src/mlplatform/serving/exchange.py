"""One request of the short way, and its answer: no task, no future."""

from __future__ import annotations

import time
from collections.abc import Callable

from mlplatform.serving.accepted_request import AcceptedRequest
from mlplatform.serving.deadline import deadline
from mlplatform.serving.handler import Handler
from mlplatform.serving.known_head import KnownHead
from mlplatform.serving.prediction_app import Headers, answered, failure

Reply = Callable[[int, Headers, bytes], None]


class Exchange:
    """See Waiter. `reply` is called once, with code, headers and body; it may not raise."""

    __slots__ = ("_accepted", "_handler", "_known", "_path", "_reply", "_settled", "_started")

    def __init__(self, handler: Handler, known: KnownHead, path: str, reply: Reply) -> None:
        self._started = time.perf_counter()
        self._handler = handler
        self._known = known
        self._path = path
        self._reply = reply
        self._settled = False
        self._accepted: AcceptedRequest | None = None

    def begin(self, body: bytes) -> None:
        """Hand it over. The reply may come before this returns."""
        known = self._known
        try:
            accepted = self._handler.accept(known.route, known.caller, body, self)
            self._accepted = accepted
            accepted.submit(deadline(known.timeout_s))
        except Exception as error:  # noqa: BLE001  (a bug becomes a 500, and the process goes on)
            if not self._settled:
                self.set_exception(error)

    def done(self) -> bool:
        """Whether it has its reply."""
        return self._settled

    def set_result(self, result: None, /) -> None:
        """The request is stored."""
        del result
        assert self._accepted is not None
        try:
            response = self._accepted.response()
        except Exception as error:  # noqa: BLE001  (as above)
            self.set_exception(error)
        else:
            self._settle(*answered(response, self._known.route.dialect))

    def set_exception(self, error: Exception, /) -> None:
        """The client gets this error."""
        self._settle(*failure(self._handler, error, self._known.route.dialect, self._path))

    def _settle(self, code: int, headers: Headers, body: bytes) -> None:
        self._settled = True
        if self._accepted is not None:
            self._accepted.end()
            self._accepted = None  # it refers to us: the garbage collector would have to find that
        seconds = time.perf_counter() - self._started
        self._handler.count(self._known.route.pipeline, code, seconds)
        self._reply(code, headers, body)
