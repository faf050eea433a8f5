"""Pipelines, progress of their features, leases and runs."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from mlplatform.contracts.model import SHA256
from mlplatform.dataapi.routes.calling import (
    BEARER,
    Body,
    Calling,
    Parts,
    PipelineName,
    Text,
    Word,
    problems,
)

router = APIRouter(prefix="/v1/pipelines", tags=["pipelines"], dependencies=BEARER)


class Apply(Body):
    """A definition with the commit that its features code lies at."""

    definition: dict[str, Any] = Field(description="pipeline.yaml as JSON.")
    commit: Word = Field(examples=["9b1f6c0d3a5e7f8091a2b3c4d5e6f708192a3b4c"])
    features_digest: str = Field(pattern=SHA256)


class Applied(BaseModel):
    """A definition as it was applied."""

    name: str
    definition: dict[str, Any]
    commit: str
    features_digest: str
    applied_at: datetime
    applied_by: str


class Features(BaseModel):
    """etl's progress with a features digest. Rows are counted as they were dealt with."""

    digest: str
    ready: bool
    waiting_requests: int
    featured: int
    quarantined: int
    failure: str | None = Field(description="Why etl can't compute these features.")
    mark: int = Field(
        description="Read the dataset as of this mark (`as_of`) to get all that etl has passed, also from a standby that lags."
    )


class LeaseWish(Body):
    """Who wants to train, and for how many seconds to believe that."""

    holder: Word = Field(examples=["mlplatform-trainer-diabetes-7f3a"])
    ttl_s: float = Field(gt=0, le=86_400)


class LeaseHeld(BaseModel):
    """A lease."""

    pipeline: str
    holder: str
    expires_at: datetime


class RunWish(Body):
    """Why a training is started."""

    reason: Text = Field(examples=["new labels"])


class RunStarted(BaseModel):
    """The run's name on the cluster."""

    run: str


class RunSeen(BaseModel):
    """A run as the cluster sees it."""

    name: str
    pipeline: str
    state: Literal["waiting", "running", "succeeded", "failed"]
    reason: str
    started_at: datetime | None
    finished_at: datetime | None


class Released(BaseModel):
    """Whether there was a lease to give back."""

    released: bool


@router.put("/{name}", summary="Apply a definition (admin).", responses=problems(422))
def apply_pipeline(name: PipelineName, body: Apply, caller: Calling, parts: Parts) -> Applied:
    """The last definition holds. A new features digest is computed for all stored rows."""
    applied = parts.pipelines.apply(
        caller, name, body.definition, commit=body.commit, features_digest=body.features_digest
    )
    return Applied(**asdict(applied))


@router.get("", summary="All applied pipelines.", responses=problems())
def list_pipelines(caller: Calling, parts: Parts) -> list[Applied]:
    """Those that the caller may touch, by name."""
    return [Applied(**asdict(item)) for item in parts.pipelines.all(caller)]


@router.get("/{name}", summary="One pipeline.", responses=problems(404))
def read_pipeline(name: PipelineName, caller: Calling, parts: Parts) -> Applied:
    """The definition that holds."""
    return Applied(**asdict(parts.pipelines.find(caller, name)))


@router.get(
    "/{name}/features/{digest}", summary="Progress of a features digest.", responses=problems(404)
)
def read_features(
    name: PipelineName,
    digest: Annotated[str, Path(pattern=SHA256)],
    caller: Calling,
    parts: Parts,
    stored_before: Annotated[
        datetime | None,
        Query(description="Ready means: all requests stored until then; empty: until now."),
    ] = None,
) -> Features:
    """A training may read a digest once it is ready."""
    return Features(**parts.pipelines.features(caller, name, digest, stored_before=stored_before))


@router.post(
    "/{name}/lease", summary="Take or renew the right to train.", responses=problems(404, 409)
)
def take_lease(name: PipelineName, body: LeaseWish, caller: Calling, parts: Parts) -> LeaseHeld:
    """One training per pipeline: refused while another holder's lease lasts."""
    return LeaseHeld(
        **asdict(parts.training.take_lease(caller, name, body.holder, ttl_s=body.ttl_s))
    )


@router.delete("/{name}/lease", summary="Give the right to train back.", responses=problems())
def release_lease(
    name: PipelineName, holder: Annotated[Word, Query()], caller: Calling, parts: Parts
) -> Released:
    """Harmless when the holder has no lease."""
    return Released(released=parts.training.release_lease(caller, name, holder))


@router.post(
    "/{name}/runs", status_code=202, summary="Start a training.", responses=problems(404, 409)
)
def start_run(name: PipelineName, body: RunWish, caller: Calling, parts: Parts) -> RunStarted:
    """Returns at once; see the runs for what became of it."""
    return RunStarted(run=parts.training.start(caller, name, reason=body.reason))


@router.get("/{name}/runs", summary="Trainings that the cluster knows.", responses=problems())
def list_runs(name: PipelineName, caller: Calling, parts: Parts) -> list[RunSeen]:
    """Latest first."""
    return [RunSeen(**asdict(run)) for run in parts.training.runs(caller, name)]
