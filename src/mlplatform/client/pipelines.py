"""Make a pipeline of a git commit known to the platform."""

from __future__ import annotations

from typing import Any

from mlplatform.client.dataapi import DataApi
from mlplatform.client.features_trial import try_features
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.contracts.pipeline_status import AppliedPipeline, ApplyRequest
from mlplatform.features.digest import features_digest
from mlplatform.source.checkout import Checkout


def apply(api: DataApi, code: Checkout, name: str) -> AppliedPipeline:
    """Send the definition of one pipeline with its commit and features digest.

    Needs the role admin. Repeating it changes nothing. features.py is tried before, in a child
    process. Raises InvalidInput that names the key when pipeline.yaml is wrong, or line and row
    when features.py is, and what the data API refuses.
    """
    files = code.read(name)
    try_features(api, files)
    definition = ApplyRequest(
        definition=files.definition.model_dump(mode="json"),
        commit=code.commit,
        features_digest=features_digest(files.definition, files.features),
    )
    return api.apply(name, definition)


def sample_row(pipeline: PipelineDefinition) -> dict[str, Any]:
    """A row that the columns allow: the first example or value, or the middle of a range."""
    row: dict[str, Any] = {}
    for column in pipeline.inputs:
        if column.example:
            row[column.name] = column.example[0]
        elif column.dtype == "string":
            row[column.name] = column.values[0] if column.values else "a"
        elif column.dtype == "bool":
            row[column.name] = False
        else:
            low = column.min if column.min is not None else min(0.0, column.max or 0.0)
            high = column.max if column.max is not None else max(low, 1.0)
            middle = (low + high) / 2
            row[column.name] = round(middle) if column.dtype == "int64" else middle
    return row
