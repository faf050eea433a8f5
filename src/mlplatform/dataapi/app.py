"""The application, from ready collaborators. Nothing happens at import."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from starlette.types import ASGIApp

from mlplatform import __version__
from mlplatform.dataapi.admission import AdmissionMiddleware
from mlplatform.dataapi.collaborators import Collaborators
from mlplatform.dataapi.routes import (
    balance,
    datasets,
    dead_letters,
    evidence,
    forget,
    imports,
    labels,
    ledger,
    models,
    outboxes,
    pipelines,
    quarantine,
    queue_offsets,
    retention,
    runs,
)
from mlplatform.web import docs_page, error_responses, pages
from mlplatform.web.json_body import DISTINCT_KEYS
from mlplatform.web.known_parameters import KNOWN

SUBJECTS = (
    datasets,
    imports,
    labels,
    pipelines,
    runs,
    models,
    quarantine,
    dead_letters,
    outboxes,
    queue_offsets,
    balance,
    evidence,
    ledger,
    retention,
    forget,
)
"""In the order in which the description lists them."""
DESCRIPTION = (
    "The only way to the data: datasets out, rows and labels in, quarantine, pipelines, promotions,"
    " balance, evidence, ledger, retention, forgetting."
)


def create_app(collaborators: Collaborators) -> ASGIApp:
    """The application behind its admission.

    It starts and stops the background work and closes the collaborators.
    """
    return AdmissionMiddleware(
        inside(collaborators),
        access=collaborators.access,
        runs=collaborators.run_tokens,
        limit=collaborators.limit,
        max_body_bytes=collaborators.max_body_bytes,
        on_refusal=collaborators.gathered.note,
    )


def inside(collaborators: Collaborators) -> FastAPI:
    """The application without admission: every route, top to bottom."""

    async def ready() -> Mapping[str, str]:
        return await run_in_threadpool(collaborators.ready)

    app = FastAPI(
        title="mlplatform data API",
        version=__version__,
        description=DESCRIPTION,
        lifespan=partial(_lifespan, collaborators),
        docs_url=None,
        redoc_url=None,
    )
    app.state.collaborators = collaborators
    error_responses.install(app)
    docs_page.install(app)
    for subject in SUBJECTS:
        app.include_router(subject.router, dependencies=[*KNOWN, *DISTINCT_KEYS])
    app.include_router(pages.router(ready))
    return app


@asynccontextmanager
async def _lifespan(collaborators: Collaborators, _: FastAPI) -> AsyncGenerator[None]:
    for work in collaborators.background:
        work.start()
    yield
    for work in collaborators.background:
        await run_in_threadpool(work.stop)
    await run_in_threadpool(collaborators.close)
