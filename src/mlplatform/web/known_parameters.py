"""Routes of FastAPI take the query parameters that they declare, each once, and no other."""

from __future__ import annotations

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant

from mlplatform.web.parameters import refuse_others


async def _known(request: Request) -> None:  # async: a plain one would run in a thread
    if request.scope["query_string"]:
        refuse_others(request.scope["query_string"], _declared(request.scope["route"].dependant))


def _declared(dependant: Dependant) -> set[str]:
    own = {parameter.alias for parameter in dependant.query_params}
    return own.union(*map(_declared, dependant.dependencies))


KNOWN = [Depends(_known)]
"""For routers."""
