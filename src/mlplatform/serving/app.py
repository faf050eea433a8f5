"""The application: ready-made collaborators in, an ASGI callable out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from fastapi import FastAPI

from mlplatform import __version__
from mlplatform.serving import routes
from mlplatform.serving.handler import Handler
from mlplatform.serving.prediction_app import PredictionApp
from mlplatform.serving.recorder import RequestRecorder
from mlplatform.web import pages, problem

_ABOUT = """Answers predictions with the promoted version of each model. A 200 means that the request is on disk.

Send a bearer token of the role `predict`. Errors are problem documents (RFC 9457) that name the row and column at fault."""


@dataclass(frozen=True)
class Collaborators:
    """What the application works with.

    It starts and closes the recorder; `background` runs from start to stop, `farewell` at the end.
    """

    handler: Handler
    recorder: RequestRecorder
    background: Sequence[Callable[[], Awaitable[None]]] = ()
    farewell: Callable[[], Awaitable[None]] | None = None


def create_app(collaborators: Collaborators) -> PredictionApp:
    """FastAPI for everything, with the prediction routes as plain ASGI in front of it."""
    return PredictionApp(collaborators.handler, create_pages(collaborators))


def create_pages(collaborators: Collaborators) -> FastAPI:
    """The FastAPI part, which also answers predictions when it stands alone."""

    async def ready() -> None:
        collaborators.recorder.refuse_if_hung()
        await collaborators.handler.slots.ready()

    app = FastAPI(
        title="mlplatform serving",
        version=__version__,
        description=_ABOUT,
        lifespan=_lifespan(collaborators),
    )
    problem.install(app)
    app.include_router(routes.predictions(collaborators.handler))
    app.include_router(routes.metadata(collaborators.handler, collaborators.recorder, ready))
    app.include_router(pages.router(ready))
    return app


def _lifespan(
    collaborators: Collaborators,
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        collaborators.recorder.start()
        tasks = [asyncio.ensure_future(work()) for work in collaborators.background]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await _end(collaborators)

    return lifespan


async def _end(collaborators: Collaborators) -> None:
    """Farewell while the outbox is open, then close it, whatever the farewell does."""
    try:
        if collaborators.farewell is not None:
            await collaborators.farewell()
    finally:
        await collaborators.recorder.close()
        for slot in collaborators.handler.slots.all():
            slot.close()
