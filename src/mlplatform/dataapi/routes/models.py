"""Model versions and promotions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from mlplatform.contracts.promotion import (
    NUMBER,
    ModelFacts,
    ModelStatus,
    ModelVersion,
    Promotion,
    PromotionRequest,
    VerifiedFiles,
)
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
    prefix="/v1/models", tags=["models"], dependencies=BEARER, route_class=GuardedRoute
)

VersionNumber = Annotated[str, Path(pattern=NUMBER, examples=["3"])]


@router.get("/{name}", summary="What serves and what waits.", responses=problems(404))
@needs(rights.VIEW_MODEL, subject="{name}", pipeline="name")
def read_model(name: PipelineName, caller: Calling, parts: Parts) -> ModelStatus:
    """Serving follows `record`."""
    return parts.models.status(caller, name)


@router.get("/{name}/versions", summary="All versions, oldest first.", responses=problems(404))
@needs(rights.VIEW_MODEL, subject="{name}", pipeline="name")
def list_versions(name: PipelineName, caller: Calling, parts: Parts) -> list[ModelVersion]:
    """With their states."""
    return list(parts.models.versions(caller, name))


@router.post(
    "/{name}/versions",
    status_code=201,
    summary="Register a version.",
    responses=problems(404, 409, 422),
)
@needs(rights.REGISTER, subject="{name}", pipeline="name")
def register_version(
    name: PipelineName, body: ModelFacts, caller: Calling, parts: Parts
) -> ModelVersion:
    """Its state is `registered`; the receipt of its dataset must exist."""
    return parts.models.register(caller, name, body)


@router.post(
    "/{name}/versions/{version}/verified",
    summary="A version's files are whole.",
    responses=problems(404, 409),
)
@needs(rights.VERIFY, subject="{name}", pipeline="name")
def verify_version(
    name: PipelineName, version: VersionNumber, body: VerifiedFiles, caller: Calling, parts: Parts
) -> ModelVersion:
    """After they were downloaded again and compared with the manifest."""
    return parts.models.verify(caller, name, version, body.manifest_sha256)


@router.get(
    "/{name}/promotions", summary="The promotion record, latest first.", responses=problems(404)
)
@needs(rights.VIEW_MODEL, subject="{name}", pipeline="name")
def list_promotions(name: PipelineName, caller: Calling, parts: Parts) -> list[Promotion]:
    """Who did what, when and why."""
    return list(parts.models.history(caller, name))


@router.post(
    "/{name}/promotions",
    status_code=201,
    summary="Propose, approve, promote, roll back, withdraw or reject.",
    responses=problems(404, 409, 422),
)
@needs(rights.PROPOSE, rights.DECIDE, subject="{name}", pipeline="name")
def promote(name: PipelineName, body: PromotionRequest, caller: Calling, parts: Parts) -> Promotion:
    """A refused step says what is missing.

    With `approval: auto` a proposal of the applied commit is promoted at once.
    """
    return parts.models.act(caller, name, body)
