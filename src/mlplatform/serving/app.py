"""The application: ready-made collaborators in, an ASGI callable out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

import msgspec

from mlplatform.errors import PlatformError
from mlplatform.serving.handler import Handler
from mlplatform.serving.prediction_app import (
    Application,
    Headers,
    PredictionApp,
    Receive,
    Scope,
    Send,
    send_whole,
)
from mlplatform.serving.root_path import RootPath
from mlplatform.web import plain_pages, problem

Background = Callable[[], Awaitable[None]]
"""Work that runs on the event loop until it is cancelled."""


@dataclass(frozen=True)
class Collaborators:
    """What the application works with.

    It starts and closes the handler; `background` runs from start to stop, `farewell` at the end.
    Connections are taken once `settled` returns, while the background runs already.
    `root_path` is the prefix under which a proxy shows it.
    """

    handler: Handler
    background: Sequence[Background] = ()
    farewell: Callable[[], Awaitable[None]] | None = None
    settled: Callable[[], Awaitable[None]] | None = None
    root_path: str = ""


def create_app(collaborators: Collaborators) -> Application:
    """Plain ASGI for predictions and what is asked every few seconds; FastAPI behind it."""
    app = PredictionApp(collaborators.handler, BehindPredictions(collaborators))
    return RootPath(app, collaborators.root_path) if collaborators.root_path else app


class BehindPredictions:
    """The lifespan, the health pages, and every other page by FastAPI.

    FastAPI is imported when the first of those is asked for, in a thread: it takes a quarter of a
    second and 10 MiB, and most serving processes are only ever asked for predictions, health and
    metrics.
    """

    def __init__(self, collaborators: Collaborators) -> None:
        self._collaborators = collaborators
        self._pages: asyncio.Future[Application] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] == "http" and scope["method"] == "GET":
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            if path in plain_pages.PATHS:
                await send_whole(send, *await self._page(path))
                return
        if self._pages is None:
            self._pages = asyncio.ensure_future(asyncio.to_thread(self._made))
        await (await asyncio.shield(self._pages))(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with _running(self._collaborators):
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _page(self, path: str) -> tuple[int, Headers, bytes]:
        if path == "/metrics":
            return _plain(await plain_pages.metrics(), plain_pages.METRICS_TYPE)
        if path == "/healthz":
            return _plain(msgspec.json.encode(plain_pages.ALIVE))
        try:
            return _plain(msgspec.json.encode(await plain_pages.readiness(self._ready)))
        except PlatformError as error:
            return problem.answer(error)

    async def _ready(self) -> Mapping[str, str]:
        await self._collaborators.handler.ready()
        return self._collaborators.handler.degraded()

    def _made(self) -> Application:
        pages: Any = import_module("mlplatform.serving.pages")
        return cast("Application", pages.create_pages(self._collaborators.handler, self._ready))


def _plain(body: bytes, kind: str = "application/json") -> tuple[int, Headers, bytes]:
    headers = [(b"content-length", str(len(body)).encode()), (b"content-type", kind.encode())]
    return 200, headers, body


@asynccontextmanager
async def _running(collaborators: Collaborators) -> AsyncIterator[None]:
    collaborators.handler.start()
    tasks = [asyncio.ensure_future(work()) for work in collaborators.background]
    try:
        if collaborators.settled is not None:
            await collaborators.settled()
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # The farewell reads the outbox, so it comes before the close; whatever it raises, the
        # outbox is closed.
        try:
            if collaborators.farewell is not None:
                await collaborators.farewell()
        finally:
            await collaborators.handler.close()
