"""Run uvicorn in a process that ends when its event loop stands still."""

from __future__ import annotations

import socket

import uvicorn

from mlplatform.watchdog import turned, unwatch, watch
from mlplatform.web.server import Config


class WatchedServer(uvicorn.Server):
    """Ends its process when the event loop has stood still for `stuck_s` (0: never).

    Whoever runs it starts it again: a loop that a call into C holds answers nobody, and no health
    page can say so.
    """

    def __init__(self, config: Config, *, stuck_s: float) -> None:
        super().__init__(config)
        self._stuck_s = stuck_s

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Watched from the first tick on: a start may wait for others."""
        await super().startup(sockets)
        if self._stuck_s:
            watch(self._stuck_s)

    async def on_tick(self, counter: int) -> bool:
        """Called about ten times a second."""
        turned()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """The drain has time limits of its own."""
        if self._stuck_s:
            unwatch()
        await super().shutdown(sockets)


def run(config: Config, *, stuck_s: float) -> None:
    """Serve on one process until SIGTERM or SIGINT; returns after the drain."""
    WatchedServer(config, stuck_s=stuck_s).run()
