"""The application, from ready collaborators. Nothing happens at import."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from starlette.types import ASGIApp

from mlplatform import __version__
from mlplatform.dataapi.collaborators import Collaborators
from mlplatform.dataapi.door import Door
from mlplatform.dataapi.routes import datasets, models, pipelines, records, rows
from mlplatform.web import pages, problem


def create_app(collaborators: Collaborators) -> ASGIApp:
    """The door with the application behind it.

    It starts and stops the background work and closes the collaborators.
    """
    return Door(
        inside(collaborators),
        access=collaborators.access,
        limit=collaborators.limit,
        max_body_bytes=collaborators.max_body_bytes,
        on_refusal=collaborators.door_book.note,
    )


def inside(collaborators: Collaborators) -> FastAPI:
    """The application without the door: every route, top to bottom."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        for work in collaborators.background:
            work.start()
        yield
        for work in collaborators.background:
            await run_in_threadpool(work.stop)
        await run_in_threadpool(collaborators.close)

    async def ready() -> None:
        await run_in_threadpool(collaborators.ready)

    app = FastAPI(
        title="mlplatform data API",
        version=__version__,
        description="The only door to the data: datasets out, rows and labels in, quarantine, pipelines, promotions, balance, ledger.",
        lifespan=lifespan,
        redoc_url=None,
    )
    app.state.collaborators = collaborators
    problem.install(app)
    for router in (datasets.router, rows.router, pipelines.router, models.router, records.router):
        app.include_router(router)
    app.include_router(pages.router(ready))
    return app
