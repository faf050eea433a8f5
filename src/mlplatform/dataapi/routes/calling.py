"""What routes need of a request: its caller, the collaborators, the bearer scheme for OpenAPI."""

from __future__ import annotations

from typing import Annotated, Any, cast

from fastapi import Depends, Path, Query, Request, Security
from fastapi.security import HTTPBearer

from mlplatform.access import Caller
from mlplatform.contracts.pipeline import PIPELINE_NAME
from mlplatform.dataapi.collaborators import Collaborators
from mlplatform.web.problem import MEDIA_TYPE


def caller_of(request: Request) -> Caller:
    """Whom admission has found behind a request."""
    return cast("Caller", request.state.caller)


def collaborators_of(request: Request) -> Collaborators:
    """What the application stands on."""
    return cast("Collaborators", request.app.state.collaborators)


Calling = Annotated[Caller, Depends(caller_of)]
Parts = Annotated[Collaborators, Depends(collaborators_of)]
PipelineName = Annotated[
    str,
    Path(
        pattern=PIPELINE_NAME,
        description="Pipeline; also the name of its model.",
        examples=["diabetes"],
    ),
]
PipelineFilter = Annotated[str | None, Query(pattern=PIPELINE_NAME)]
Limit = Annotated[int, Query(ge=1, le=10_000)]

BEARER = [Security(HTTPBearer(auto_error=False, description="Token of the token file."))]
"""Only shows the scheme in OpenAPI: admission has found the caller before."""


def problems(*codes: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's list of the refusals of a route."""
    meanings = {
        401: "No known token.",
        403: "The token's role does not allow this.",
        404: "There is nothing of that name.",
        409: "The present state does not allow this; says what is missing.",
        413: "The body is too large.",
        415: "This format is not supported.",
        422: "The input breaks its contract; names the field.",
        429: "Too many requests; see Retry-After.",
        503: "A server that is needed is away, or no standby could be proven; see Retry-After.",
    }
    return {
        code: {
            "description": meanings[code],
            "content": {MEDIA_TYPE: {"schema": {"type": "object"}}},
        }
        for code in (401, 403, 429, 503, *codes)
    }
