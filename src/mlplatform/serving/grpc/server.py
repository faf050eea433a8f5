"""The gRPC port: started on the event loop of the HTTP server, and drained with it."""

from __future__ import annotations

import asyncio

from grpc import aio

from mlplatform.serving.grpc.service import InferenceServices
from mlplatform.serving.handler import Handler
from mlplatform.settings import ServingSettings
from mlplatform.telemetry import logger

_RETRY_S = 5.0
"""A port that another process holds is usually given back within seconds."""
_IDLE_S = 300.0
"""A connection without calls is closed after that; its client opens another one unnoticed."""
_PING_S = 60.0
"""How often a silent connection is tested: one whose client has vanished holds memory only."""
_PING_TIMEOUT_S = 20.0
_LEAST_PING_S = 10.0
"""Clients that ping more often than every ten seconds are sent away (GOAWAY, too_many_pings)."""
_CUT_S = 1.0
"""What running calls get when the process ends without a drain."""
_log = logger("serving")


class GrpcServer:
    """`run` serves until it is cancelled; `leave` begins the drain before that.

    A port that can't be opened is logged and tried again: HTTP goes on meanwhile.
    """

    def __init__(self, handler: Handler, settings: ServingSettings) -> None:
        self._handler = handler
        self._settings = settings
        self._server: aio.Server | None = None
        self._stopping: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Serve. What still runs when this is cancelled has the rest of the drain."""
        try:
            while True:  # the server works on its own; here is only the watch over its start
                if self._server is None:
                    await self._start()
                await asyncio.sleep(_RETRY_S)
        finally:
            self._stop(_CUT_S)
            if self._stopping is not None:
                await self._stopping

    def leave(self) -> None:
        """Take no new call, and let the running ones finish within `drain_s`."""
        self._stop(self._settings.drain_s)

    def _stop(self, grace_s: float) -> None:
        if self._server is not None and self._stopping is None:
            self._stopping = asyncio.ensure_future(self._server.stop(grace_s))

    async def _start(self) -> None:
        address = f"{self._settings.host}:{self._settings.grpc_port}"
        server = aio.server(
            handlers=InferenceServices(self._handler).handlers(),
            options=_options(self._settings),
            # As many as HTTP takes, where a connection brings one request at a time.
            maximum_concurrent_rpcs=self._settings.max_connections,
        )
        try:
            server.add_insecure_port(address)
            await server.start()
        except RuntimeError as error:
            _log.error("the gRPC port can't be opened", address=address, error=str(error))
            await server.stop(None)
            return
        self._server = server
        _log.info("gRPC listens", address=address)


def _options(settings: ServingSettings) -> list[tuple[str, int]]:
    seconds = {
        "grpc.max_connection_idle_ms": _IDLE_S,
        "grpc.keepalive_time_ms": _PING_S,
        "grpc.keepalive_timeout_ms": _PING_TIMEOUT_S,
        "grpc.http2.min_ping_interval_without_data_ms": _LEAST_PING_S,
    }
    if settings.connection_max_age_s:  # gRPC varies it by a tenth
        seconds |= {
            "grpc.max_connection_age_ms": settings.connection_max_age_s,
            "grpc.max_connection_age_grace_ms": settings.drain_s,
        }
    return [
        ("grpc.max_receive_message_length", settings.max_body_bytes),
        ("grpc.max_send_message_length", -1),
        # Two processes on one port share its calls: workers on purpose, others by mistake.
        ("grpc.so_reuseport", int(settings.workers > 1)),
        ("grpc.keepalive_permit_without_calls", 1),
        *((name, int(value * 1000)) for name, value in seconds.items()),
    ]
