"""Forgetting a person."""

from __future__ import annotations

from fastapi import APIRouter

from mlplatform.contracts.forget import ForgetRequest, Forgotten
from mlplatform.dataapi import rights
from mlplatform.dataapi.routes.calling import BEARER, Calling, Parts, PipelineName, problems
from mlplatform.dataapi.routes.guard import GuardedRoute, needs

router = APIRouter(
    prefix="/v1/pipelines", tags=["forget"], dependencies=BEARER, route_class=GuardedRoute
)


@router.post("/{name}/forget", summary="Forget a person's rows.", responses=problems(404, 409, 422))
@needs(rights.FORGET, subject="{name}", pipeline="name")
def forget(name: PipelineName, body: ForgetRequest, caller: Calling, parts: Parts) -> Forgotten:
    """Every row with the key is removed, wherever it is stored; numbers and digests stay.

    Sent again, it finishes what was cut short, and finds nothing when all is done.
    """
    return parts.forget.forget(caller, name, body)
