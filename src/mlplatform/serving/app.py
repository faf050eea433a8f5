"""The application: ready-made collaborators in, an ASGI callable out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from fastapi import Depends, FastAPI

from mlplatform import __version__
from mlplatform.serving import kserve_routes, mlflow_routes, repository_routes, routes
from mlplatform.serving.handler import Handler
from mlplatform.serving.prediction_app import Application, PredictionApp
from mlplatform.serving.root_path import RootPath
from mlplatform.web import docs_page, pages, problem
from mlplatform.web.parameters import KNOWN

_ABOUT = """Answers predictions with the promoted version of each model. A 200 means that the
request is on disk.

Send a bearer token of the role `predict`. Errors are problem documents (RFC 9457) that name the row
and column at fault."""

Background = Callable[[], Awaitable[None]]
"""Work that runs on the event loop until it is cancelled."""


@dataclass(frozen=True)
class Collaborators:
    """What the application works with.

    It starts and closes the handler; `background` runs from start to stop, `farewell` at the end.
    `root_path` is the prefix under which a proxy shows it.
    """

    handler: Handler
    background: Sequence[Background] = ()
    farewell: Callable[[], Awaitable[None]] | None = None
    root_path: str = ""


def create_app(collaborators: Collaborators) -> Application:
    """FastAPI for every page, with the prediction routes as plain ASGI before it."""
    app = PredictionApp(collaborators.handler, create_pages(collaborators))
    return RootPath(app, collaborators.root_path) if collaborators.root_path else app


def create_pages(collaborators: Collaborators) -> FastAPI:
    """The FastAPI part, which also answers predictions when it stands alone."""
    handler = collaborators.handler
    app = FastAPI(
        title="mlplatform serving",
        version=__version__,
        description=_ABOUT,
        lifespan=_lifespan(collaborators),
        docs_url=None,
        redoc_url=None,
    )
    app.state.handler = handler

    async def ready() -> Mapping[str, str]:
        await handler.ready()
        return handler.degraded()

    problem.install(app)
    docs_page.install(app)
    for dialect in (routes, kserve_routes, mlflow_routes):
        app.include_router(dialect.predictions)
        app.include_router(dialect.metadata, dependencies=KNOWN)
    for guarded in (routes.guarded, repository_routes.guarded):
        app.include_router(guarded, dependencies=[Depends(routes.admitted), *KNOWN])
    app.include_router(repository_routes.metadata, dependencies=KNOWN)
    app.include_router(pages.router(ready))
    return app


def _lifespan(
    collaborators: Collaborators,
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        collaborators.handler.start()
        tasks = [asyncio.ensure_future(work()) for work in collaborators.background]
        try:
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

    return lifespan
