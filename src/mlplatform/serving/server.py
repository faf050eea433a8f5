"""uvicorn, with a shutdown that drops no request.

At SIGTERM readiness fails at once, while requests are still taken for `linger_s`: load balancers
need that long to notice, and what they send meanwhile must be answered. Each answer then closes its
connection. After that the listener closes, running requests get `drain_s`, and the lifespan's end
closes the outbox. A second signal skips the lingering.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from types import FrameType

from mlplatform.serving.connection import PredictionConfig
from mlplatform.serving.handler import Handler
from mlplatform.serving.prediction_app import Application
from mlplatform.settings import ServingSettings
from mlplatform.telemetry import logger
from mlplatform.web.watched_server import WatchedServer

_log = logger("serving")


class Server(WatchedServer):
    """One process; `run` returns after the drain."""

    def __init__(
        self,
        app: Application,
        handler: Handler,
        settings: ServingSettings,
        *,
        stuck_s: float = 0.0,
        leaving: Sequence[Callable[[], None]] = (),
        listener: socket.socket | None = None,
    ) -> None:
        config = PredictionConfig(
            app,
            handler,
            host=settings.host,
            port=settings.port,
            drain_s=settings.drain_s,
            receive_s=settings.receive_s,
            max_connections=settings.max_connections,
            address_share=settings.address_share,
            max_age_s=settings.connection_max_age_s,
            prefix=settings.root_path,
        )
        super().__init__(config, stuck_s=stuck_s)
        self._handler = handler
        self._linger_s = settings.linger_s
        self._drain_s = settings.drain_s
        self._listener = listener  # None: one is opened at the settings' address
        self._leaving = leaving  # what else begins its drain when ours begins
        self._leave_at: float | None = None  # end of the lingering, from the first signal on
        self._left_at: float | None = None  # when the drain began

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to leave. uvicorn's own would raise the signal again, before the clean-up."""
        del sig, frame
        self.leave()

    def leave(self) -> None:
        """Begin to leave; asked again, skip the lingering."""
        if self._leave_at is None:
            self._handler.draining = True
            self._leave_at = time.monotonic() + self._linger_s
        else:
            self._leave_at = 0.0

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Returns after the drain, unless a model hangs: then the process ends here."""
        super().run(sockets or ([self._listener] if self._listener else None))
        self._handler.watch.end_if_hung()

    async def on_tick(self, counter: int) -> bool:
        """Called about ten times a second."""
        if self._handler.watch.inspect() and self._leave_at is None:
            _log.error("leaving, since a model does not come back")
            self.leave()
        over = self._leave_at is not None and time.monotonic() >= self._leave_at
        if over and not self.should_exit:
            _log.info("leaving: no new connections, running requests are finished")
            self.should_exit = True
            self._left_at = time.monotonic()
            for leave in self._leaving:
                leave()
        return await super().on_tick(counter)

    def remaining_s(self) -> float:
        """What is left of `drain_s` for the farewell, after running requests had theirs."""
        if self._left_at is None:
            return self._drain_s
        return max(0.0, self._left_at + self._drain_s - time.monotonic())
