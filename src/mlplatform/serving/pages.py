"""Every page of serving as an application of FastAPI, which also answers predictions."""

from __future__ import annotations

from fastapi import Depends, FastAPI

from mlplatform import __version__
from mlplatform.serving import kserve_routes, mlflow_routes, repository_routes, routes
from mlplatform.serving.handler import Handler
from mlplatform.serving.operations import TOKEN
from mlplatform.web import docs_page, error_responses, pages
from mlplatform.web.known_parameters import KNOWN
from mlplatform.web.plain_pages import Readiness

_ABOUT = """Answers predictions with the promoted version of each model. A 200 means that the
request is on disk.

Send a bearer token of the role `predict`. Errors are problem documents (RFC 9457) that name the row
and column at fault."""


def create_pages(handler: Handler, ready: Readiness) -> FastAPI:
    """The application. Whoever mounts it starts and closes the handler."""
    app = FastAPI(
        title="mlplatform serving",
        version=__version__,
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
    )
    app.state.handler = handler
    error_responses.install(app)
    docs_page.install(app)
    for dialect in (routes, kserve_routes, mlflow_routes):
        app.include_router(dialect.predictions, dependencies=TOKEN)
        app.include_router(dialect.metadata, dependencies=KNOWN)
    for guarded in (routes.guarded, repository_routes.guarded):
        app.include_router(guarded, dependencies=[*TOKEN, Depends(routes.admitted), *KNOWN])
    app.include_router(repository_routes.metadata, dependencies=[*TOKEN, *KNOWN])
    app.include_router(routes.own, dependencies=KNOWN)
    app.include_router(pages.router(ready))
    return app
