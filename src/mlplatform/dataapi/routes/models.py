"""Model versions and promotions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field

from mlplatform.contracts.model import SHA256, Format
from mlplatform.contracts.promotion import Action, ModelStatus, ModelVersion, Promotion
from mlplatform.dataapi.models import Wish
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

router = APIRouter(prefix="/v1/models", tags=["models"], dependencies=BEARER)

VersionNumber = Annotated[str, Path(pattern=r"^[0-9]{1,18}$", examples=["3"])]


class VersionFacts(Body):
    """What the trainer stored in the registry."""

    version: str = Field(pattern=r"^[0-9]{1,18}$", examples=["3"])
    run_id: Word = Field(examples=["5b0e6a1c9d7f4e21a3b8c6d5e4f30219"])
    artifacts: Word = Field(examples=["1/5b0e6a1c9d7f4e21a3b8c6d5e4f30219/artifacts/model"])
    manifest_sha256: str = Field(pattern=SHA256)
    features_digest: str = Field(pattern=SHA256)
    commit: Word
    format: Format
    receipt_id: Word = Field(description="Receipt of the dataset that it was trained on.")
    metrics: dict[str, float] = Field(default_factory=dict)


class VerifiedFacts(Body):
    """What the trainer found when it downloaded the files again."""

    manifest_sha256: str = Field(pattern=SHA256)


class Wanted(Body):
    """A step of the state machine.

    A rollback without a version goes to the champion before this one.
    """

    action: Action
    version: str | None = Field(default=None, pattern=r"^[0-9]{1,18}$", examples=["3"])
    why: Text = Field(examples=["passed all gates"])
    gate_digest: str | None = Field(
        default=None, pattern=SHA256, description="SHA-256 of the gate report; needed to propose."
    )
    champion: str | None = Field(
        default=None,
        pattern=r"^[0-9]{1,18}$",
        description="Champion that a proposed version was compared with; empty: there was none.",
    )


@router.get("/{name}", summary="What serves and what waits.", responses=problems(404))
def read_model(name: PipelineName, caller: Calling, parts: Parts) -> ModelStatus:
    """Serving follows `record`."""
    return parts.models.status(caller, name)


@router.get("/{name}/versions", summary="All versions, oldest first.", responses=problems(404))
def list_versions(name: PipelineName, caller: Calling, parts: Parts) -> list[ModelVersion]:
    """With their states."""
    return list(parts.models.versions(caller, name))


@router.post(
    "/{name}/versions",
    status_code=201,
    summary="Register a version.",
    responses=problems(404, 409, 422),
)
def register_version(
    name: PipelineName, body: VersionFacts, caller: Calling, parts: Parts
) -> ModelVersion:
    """Its state is `registered`; the receipt of its dataset must exist."""
    return parts.models.register(caller, {"pipeline": name, **body.model_dump()})


@router.post(
    "/{name}/versions/{version}/verified",
    summary="A version's files are whole.",
    responses=problems(404, 409),
)
def verify_version(
    name: PipelineName, version: VersionNumber, body: VerifiedFacts, caller: Calling, parts: Parts
) -> ModelVersion:
    """After they were downloaded again and compared with the manifest."""
    return parts.models.verify(caller, name, version, body.manifest_sha256)


@router.get(
    "/{name}/promotions", summary="The promotion record, latest first.", responses=problems(404)
)
def list_promotions(name: PipelineName, caller: Calling, parts: Parts) -> list[Promotion]:
    """Who did what, when and why."""
    return list(parts.models.history(caller, name))


@router.post(
    "/{name}/promotions",
    status_code=201,
    summary="Propose, approve, promote, roll back or reject.",
    responses=problems(404, 409, 422),
)
def promote(name: PipelineName, body: Wanted, caller: Calling, parts: Parts) -> Promotion:
    """A refused step says what is missing.

    With `approval: auto` a proposal of the applied commit is promoted at once.
    """
    return parts.models.act(
        caller, name, Wish(body.action, body.version, body.why, body.gate_digest, body.champion)
    )
