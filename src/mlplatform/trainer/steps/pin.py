"""What exactly is trained: the applied commit, and proof that the files checked out are those."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from mlplatform.client.dataapi import DataApi
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.errors import DigestMismatch, InvalidInput, Refused
from mlplatform.features.code import FeatureSet, load
from mlplatform.settings import SourceSettings
from mlplatform.source.checkout import checkout
from mlplatform.source.pipeline_files import PipelineFiles
from mlplatform.trainer.steps.run_cases import read_cases


@dataclass(frozen=True)
class Pinned:
    """One applied pipeline at one commit."""

    definition: PipelineDefinition
    commit: str
    digest: str
    files: PipelineFiles
    features: FeatureSet


def pin(api: DataApi, source: SourceSettings, pipeline: str) -> Pinned:
    """The applied definition with the files of its commit. Raises Refused when they differ, DigestMismatch when the features do.

    What would only be noticed after the training is looked at here as well: InvalidInput names a
    broken case, or the slice of a gate that is no column.
    """
    applied = api.get(f"/v1/pipelines/{quote(pipeline)}")
    commit, digest = str(applied["commit"]), str(applied["features_digest"])
    definition = PipelineDefinition.parse(
        applied["definition"], where=f"applied definition of {pipeline}"
    )
    checked_out = checkout(source, ref=commit)
    if checked_out.commit != commit:
        raise Refused(
            f"{pipeline} was applied at {commit[:25]}, the files here are {checked_out.commit[:25]}",
            fix=f"mlplatform apply {pipeline}",
        )
    files = checked_out.read(pipeline)
    if files.definition != definition:
        raise Refused(
            f"pipeline.yaml at {commit[:25]} is not the definition that was applied",
            fix=f"mlplatform apply {pipeline}",
        )
    try:
        features = load(definition, files.features, digest=digest)
    except DigestMismatch as error:
        raise DigestMismatch(
            error.message, field=error.field, fix=f"mlplatform apply {pipeline}"
        ) from error
    read_cases(files.cases, definition)
    _refuse_strange_slices(definition, features)
    return Pinned(
        definition=definition, commit=commit, digest=digest, files=files, features=features
    )


def _refuse_strange_slices(definition: PipelineDefinition, features: FeatureSet) -> None:
    known = {column.name for column in definition.columns} | {
        feature.name for feature in features.features
    }
    for gate in definition.gates:
        if gate.slice is not None and gate.slice not in known:
            raise InvalidInput(
                f"gate on {gate.metric}: '{gate.slice}' is neither a feature nor a raw column",
                field="gates",
            )
