"""Pin what is trained: the applied commit, and proof that the files checked out are those."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from mlplatform.client.dataapi import DataApi
from mlplatform.client.history import recent_rows
from mlplatform.contracts.apply_rules import check_features, check_library
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.errors import DigestMismatch, InvalidInput, Refused
from mlplatform.features.acceptance import History
from mlplatform.features.apart import load_apart
from mlplatform.features.code import FeatureSet, load
from mlplatform.registry.publish import MlflowRun
from mlplatform.source.checkout import Checkout
from mlplatform.source.pipeline_files import PipelineFiles, read_cases
from mlplatform.trainer.results import Pinned

FEATURES_S = 30.0
"""How long one call of features.py may take: for the rows of a case, or for some that are made."""


def pin(
    api: DataApi, checkout: Callable[[str], Checkout], record: MlflowRun, pipeline: str
) -> Pinned:
    """The applied definition with the files of its commit, noted in the MLflow run.

    Raises Refused when the files differ from what was applied, DigestMismatch when the features
    do. Mistakes that would only show later are found here as well: InvalidInput names a broken
    case, a feature with the target's name, a gate's slice that is no column, a missing library.
    """
    applied = api.pipeline(pipeline)
    commit, digest, definition = applied.commit, applied.features_digest, applied.parsed()
    check_library(definition)
    files = _files(checkout(commit), commit, definition)
    features = _features(files, digest, partial(recent_rows, api, definition))
    if files.cases is not None:
        read_cases(files.cases, definition)
    check_features(definition, features.features)
    check_slices(definition, features)
    pinned = Pinned(definition, commit, digest, files, features)
    record.tags({"commit": commit, "features_digest": digest})
    record.parameters(_parameters(pinned))
    return pinned


def _files(found: Checkout, commit: str, definition: PipelineDefinition) -> PipelineFiles:
    apply = f"mlplatform apply {definition.name}"
    if found.commit != commit:
        raise Refused(
            f"{definition.name} was applied at {commit[:25]}, "
            f"the files here are {found.commit[:25]}",
            fix=apply,
        )
    files = found.read_applied(definition)
    if files is None:
        raise Refused(
            f"pipeline.yaml at {commit[:25]} is not the definition that was applied", fix=apply
        )
    return files


def _features(files: PipelineFiles, digest: str, history: History) -> FeatureSet:
    """In a child: a features.py that does not come back must not hold the run and its lease."""
    definition, source = files.definition, files.features
    try:
        if source is None:
            return load(definition, None, digest=digest, history=history)
        return load_apart(definition, source, digest=digest, limit_s=FEATURES_S, history=history)
    except DigestMismatch as error:
        raise DigestMismatch(
            error.message, field=error.field, fix=f"mlplatform apply {files.definition.name}"
        ) from error


def check_slices(definition: PipelineDefinition, features: FeatureSet) -> None:
    """Raises InvalidInput for a gate whose slice is neither a feature nor a raw column.

    A redacted column must be a feature: rows that are older than the rule hold its values, which
    would be the names of slices in reports.
    """
    known = {column.name for column in definition.columns if column.name not in definition.redact}
    known |= {feature.name for feature in features.features}
    for gate in definition.gates:
        if gate.slice is not None and gate.slice not in known:
            raise InvalidInput(
                f"gate on {gate.metric}: '{gate.slice}' is neither a feature nor a raw column",
                field="gates",
                fix="make it a feature: it is redacted" if gate.slice in definition.redact else "",
            )


def _parameters(pinned: Pinned) -> dict[str, Any]:
    definition = pinned.definition
    return {
        "seed": definition.split.seed,
        "split": definition.split.by,
        "test_share": definition.split.test_share,
        "tuning_metric": definition.tuning.metric,
        "features": len(pinned.features.features),
        "window_days": definition.window.days,
        "window_max_rows": definition.window.max_rows,
    }
