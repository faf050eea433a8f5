"""What every route of the data API does before and after its own work.

FastAPI parses parameters and body before it calls anything of ours. So a route's right is decided
around all of that, when nothing of the request was read but its line and headers. Afterwards what
no handler has entered in the ledger is entered here, whatever became of it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from urllib.parse import parse_qsl

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from mlplatform.access import Caller, Role
from mlplatform.dataapi.act import Act, present
from mlplatform.dataapi.limits import refuse_announced_size
from mlplatform.dataapi.rights import Right
from mlplatform.dataapi.routes.calling import caller_of, collaborators_of
from mlplatform.database.ledger import Entry
from mlplatform.errors import InvalidInput, PlatformError
from mlplatform.web import error_responses

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
Handler = Callable[[Request], Coroutine[Any, Any, Response]]
_ATTRIBUTE = "needed"
MOST_SUBJECT = 200
"""Characters of a subject that a path names: it comes from outside."""


@dataclass(frozen=True)
class Needed:
    """What a caller needs at a route: one of `rights`, for the pipeline that the request names.

    `subject` is the ledger's, with parameters of the path in braces; `pipeline` says which
    parameter names the pipeline or one of its datasets: `name` of the path, `pipeline` of the
    query, or none.
    """

    rights: tuple[Right, ...]
    subject: str
    pipeline: Literal["name", "pipeline"] | None

    @property
    def roles(self) -> tuple[Role, ...]:
        """Roles of which any may come in."""
        return tuple(dict.fromkeys(role for right in self.rights for role in right.roles))

    def act(self, request: Request, caller: Caller, route: str) -> tuple[Act, str | None]:
        """The act that a request is, and its pipeline."""
        pipeline, subject = self._pipeline(request), self.subject.format(**request.path_params)
        if self.pipeline == "pipeline" and pipeline is not None:
            subject = f"{pipeline}.{subject}"
        return Act(caller, self.rights[-1].action, subject[:MOST_SUBJECT], route), pipeline

    def _pipeline(self, request: Request) -> str | None:
        if self.pipeline == "name":
            return str(request.path_params["name"]).partition(".")[0]
        if self.pipeline is None:
            return None
        query = request.scope["query_string"].decode("latin-1")
        named = [value for name, value in parse_qsl(query) if name == self.pipeline]
        return named[0] if len(named) == 1 else None  # two are refused by the route


def needs(
    *rights: Right, subject: str, pipeline: Literal["name", "pipeline"] | None = None
) -> Callable[[Endpoint], Endpoint]:
    """Declare what a caller needs at a route; every route of a `GuardedRoute` must have it."""

    def declare(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _ATTRIBUTE, Needed(rights, subject, pipeline))
        return endpoint

    return declare


class GuardedRoute(APIRoute):
    """A route that decides on the caller's right first, and leaves an entry in the ledger."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        self.needed = _needed(path, endpoint)
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Handler:
        """FastAPI's handler, which reads the request, inside of ours."""
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            request.state.guarded = True
            caller, parts = caller_of(request), collaborators_of(request)
            act, pipeline = self.needed.act(request, caller, f"{request.method} {self.path}")
            with present(act):
                try:
                    caller.require(self.needed.roles, pipeline)
                    refuse_announced_size(request.headers, parts.max_body_bytes)
                    response = await inner(request)
                except Exception as error:  # noqa: BLE001  (raised again; a bug is entered too)
                    plain = _plain(error)
                    if act.outcome != type(plain).__name__:
                        parts.gathered.add(_refusal(act, plain))
                    raise plain from plain.__cause__
            if act.outcome is None:
                parts.gathered.add(_entry(act))
            return response

        return handle


def _needed(path: str, endpoint: Callable[..., Any]) -> Needed:
    needed = getattr(endpoint, _ATTRIBUTE, None)
    if not isinstance(needed, Needed) or not needed.rights:
        raise TypeError(f"the route {path} declares no right: decorate it with `needs`")
    return needed


def _plain(error: Exception) -> Exception:
    """Ours for those of FastAPI, which makes a 400 of whatever is raised while it reads a body."""
    if isinstance(error, RequestValidationError):
        return error_responses.invalid(error)
    cause = error.__cause__
    if not isinstance(error, HTTPException) or not isinstance(cause, Exception):
        return error
    if isinstance(cause, PlatformError):
        return cause
    if isinstance(cause, ClientDisconnect):
        return InvalidInput("the body ended early", field="body")
    return InvalidInput(f"not JSON: {cause}", field="body")


def _entry(act: Act) -> Entry:
    caller = act.caller
    return Entry(caller.name, act.action, act.subject, detail={"route": act.route}, run=caller.run)


def _refusal(act: Act, error: Exception) -> Entry:
    entry = _entry(act)
    entry.outcome = type(error).__name__
    if isinstance(error, PlatformError):
        entry.detail["reason"] = error.message
    return entry
