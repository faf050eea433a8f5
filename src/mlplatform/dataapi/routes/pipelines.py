"""Pipelines, progress of their features, and leases."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query

from mlplatform.contracts.lease import Lease, LeaseReleased, LeaseRenewal, LeaseRequest
from mlplatform.contracts.model import SHA256
from mlplatform.contracts.pipeline_status import AppliedPipeline, ApplyRequest, FeaturesProgress
from mlplatform.contracts.text import Word
from mlplatform.dataapi import rights
from mlplatform.dataapi.routes.calling import (
    BEARER,
    Calling,
    Parts,
    PipelineName,
    problems,
)
from mlplatform.dataapi.routes.guard import GuardedRoute, needs

router = APIRouter(
    prefix="/v1/pipelines", tags=["pipelines"], dependencies=BEARER, route_class=GuardedRoute
)


@router.put("/{name}", summary="Apply a definition (admin).", responses=problems(422))
@needs(rights.APPLY, subject="{name}", pipeline="name")
def apply_pipeline(
    name: PipelineName, body: ApplyRequest, caller: Calling, parts: Parts
) -> AppliedPipeline:
    """The last definition holds. A new features digest is computed for all stored rows."""
    return parts.pipelines.apply(caller, name, body)


@router.get("", summary="All applied pipelines.", responses=problems())
@needs(rights.VIEW_PIPELINE, subject="pipelines")
def list_pipelines(caller: Calling, parts: Parts) -> list[AppliedPipeline]:
    """Those that the caller may touch, by name."""
    return list(parts.pipelines.all(caller))


@router.get("/{name}", summary="One pipeline.", responses=problems(404))
@needs(rights.VIEW_PIPELINE, subject="{name}", pipeline="name")
def read_pipeline(name: PipelineName, caller: Calling, parts: Parts) -> AppliedPipeline:
    """The definition that holds."""
    return parts.pipelines.find(caller, name)


@router.get(
    "/{name}/features/{digest}", summary="Progress of a features digest.", responses=problems(404)
)
@needs(rights.VIEW_PIPELINE, subject="{name}", pipeline="name")
def read_features(
    name: PipelineName,
    digest: Annotated[str, Path(pattern=SHA256)],
    caller: Calling,
    parts: Parts,
    stored_before: Annotated[
        datetime | None,
        Query(description="Ready means: all requests stored until then; empty: until now."),
    ] = None,
) -> FeaturesProgress:
    """A training may read a digest once it is ready."""
    return parts.pipelines.features(caller, name, digest, stored_before=stored_before)


@router.post("/{name}/lease", summary="Take the right to train.", responses=problems(404, 409))
@needs(rights.LEASE, subject="{name}", pipeline="name")
def take_lease(name: PipelineName, body: LeaseRequest, caller: Calling, parts: Parts) -> Lease:
    """One training per pipeline: refused while another holder's lease lasts.

    The answer has the token of the run: with it this pipeline's datasets are read and its versions
    registered and proposed, until the lease ends.
    """
    return parts.training.take_lease(caller, name, body)


@router.put("/{name}/lease", summary="Renew the right to train.", responses=problems())
@needs(rights.RENEW, subject="{name}", pipeline="name")
def renew_lease(name: PipelineName, body: LeaseRenewal, caller: Calling, parts: Parts) -> Lease:
    """With the run's token, which lives as long as the lease."""
    return parts.training.renew_lease(caller, name, body)


@router.delete("/{name}/lease", summary="Give the right to train back.", responses=problems())
@needs(rights.RELEASE, subject="{name}", pipeline="name")
def release_lease(
    name: PipelineName,
    caller: Calling,
    parts: Parts,
    holder: Annotated[
        Word | None, Query(description="Whose lease; a run gives its own back and needs none.")
    ] = None,
) -> LeaseReleased:
    """Harmless when the holder has no lease."""
    return LeaseReleased(released=parts.training.release_lease(caller, name, holder))
