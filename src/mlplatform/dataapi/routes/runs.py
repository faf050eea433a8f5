"""Training runs."""

from __future__ import annotations

from typing import Annotated, cast, get_args

from fastapi import APIRouter, Header, Path, Query, Response
from fastapi.concurrency import run_in_threadpool

from mlplatform.contracts.run import RUN_OR_JOB, Run, RunRequest, RunState
from mlplatform.contracts.run_report import RunReport
from mlplatform.dataapi import rights
from mlplatform.dataapi.routes.calling import BEARER, Calling, Parts, PipelineName, problems
from mlplatform.dataapi.routes.guard import GuardedRoute, needs

MOST_WAIT_S = 300.0
"""Seconds: proxies give up on an answer that takes longer."""
_STATE = "|".join(get_args(RunState))
STATES = rf"^(({_STATE})(,({_STATE}))*)?$"

router = APIRouter(
    prefix="/v1/pipelines/{name}/runs", tags=["runs"], dependencies=BEARER, route_class=GuardedRoute
)

RunName = Annotated[
    str, Path(pattern=RUN_OR_JOB, description="A run's id, or the name of its Job: then the last.")
]
Key = Annotated[
    str,
    Header(
        max_length=200,
        pattern=r"^[\x21-\x7e]*$",
        description="The same key gives the same run: a call may be repeated.",
    ),
]


@router.post(
    "",
    status_code=202,
    summary="Start a training.",
    responses=problems(404, 409) | {200: {"model": Run, "description": "This key's run."}},
)
@needs(rights.START_RUN, subject="{name}", pipeline="name")
def start_run(
    name: PipelineName,
    body: RunRequest,
    caller: Calling,
    parts: Parts,
    *,
    response: Response,
    idempotency_key: Key = "",
) -> Run:
    """Returns at once; its record says what becomes of it.

    The record is made before anything is started. With a key that this caller has sent before it is
    that run's, however it ended.
    """
    run, made = parts.runs.start(caller, name, body, key=idempotency_key)
    if not made:
        response.status_code = 200
    return run


@router.get("", summary="Trainings, latest first.", responses=problems())
@needs(rights.VIEW_RUNS, subject="{name}", pipeline="name")
def list_runs(
    name: PipelineName,
    caller: Calling,
    parts: Parts,
    *,
    state: Annotated[
        str, Query(pattern=STATES, description="Only those in that state; `a,b` for two.")
    ] = "",
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> list[Run]:
    """Records of all that were asked for, or have begun."""
    states = [cast("RunState", each) for each in state.split(",") if each]
    return parts.runs.some(caller, name, states, limit=limit)


@router.get("/{run}", summary="One training.", responses=problems(404))
@needs(rights.VIEW_RUNS, subject="{name}", pipeline="name")
async def read_run(
    name: PipelineName,
    run: RunName,
    caller: Calling,
    parts: Parts,
    *,
    wait: Annotated[
        float, Query(ge=0, le=MOST_WAIT_S, description="Seconds to wait for its end, or a change.")
    ] = 0.0,
    seen: Annotated[
        int | None, Query(ge=0, description="`changes` of what is known: newer is a change.")
    ] = None,
) -> Run:
    """With `wait` the answer comes when it has ended, or (`seen`) has changed."""
    found = await run_in_threadpool(parts.runs.find, caller, name, run)
    if wait and not found.final and (seen is None or found.changes <= seen):
        await parts.runs.changes.wait(found.id, seen=seen, seconds=wait)
        found = await run_in_threadpool(parts.runs.find, caller, name, found.id)
    return found


@router.put("/{run}/report", summary="Report how a training goes.", responses=problems(404))
@needs(rights.REPORT_RUN, subject="{name}", pipeline="name")
def report_run(
    name: PipelineName, run: RunName, body: RunReport, caller: Calling, parts: Parts
) -> Run:
    """By the run itself, all that it knows by then. A lower number changes nothing."""
    return parts.runs.report(caller, name, run, body)


@router.post("/{run}/cancel", summary="Cancel a training.", responses=problems(404, 409))
@needs(rights.CANCEL_RUN, subject="{name}", pipeline="name")
def cancel_run(name: PipelineName, run: RunName, caller: Calling, parts: Parts) -> Run:
    """It ends in an orderly way: its record says when it has."""
    return parts.runs.cancel(caller, name, run)
