"""Which of a pipeline's versions is meant where none is named."""

from __future__ import annotations

from mlplatform.client.dataapi import DataApi
from mlplatform.contracts.promotion import ModelVersion
from mlplatform.contracts.run import Run
from mlplatform.errors import Refused, UnknownName


def newest(api: DataApi, pipeline: str) -> ModelVersion:
    """The version with the highest number. Raises UnknownName when there is none."""
    versions = api.versions(pipeline)
    if not versions:
        raise UnknownName(f"'{pipeline}' has no version yet", field=pipeline)
    return max(versions, key=lambda version: int(version.version))


def version_of(api: DataApi, run: Run) -> ModelVersion:
    """The version that a run has made. Raises UnknownName for one that made none."""
    found = (each for each in api.versions(run.pipeline) if each.version == run.version)
    version = next(found, None)
    if version is None:
        raise UnknownName(f"run {run.id} has made no version", field=run.pipeline)
    return version


def waiting_version(api: DataApi, pipeline: str, *, field: str) -> str:
    """The version that waits for approval. Raises Refused when none does."""
    waiting = api.model_status(pipeline).candidate
    if waiting is None:
        raise Refused(
            f"no version of '{pipeline}' waits for approval",
            field=field,
            fix=f"`mlplatform models {pipeline}` shows them",
        )
    return waiting.version
