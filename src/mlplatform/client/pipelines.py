"""Make a pipeline of a git commit known to the platform."""

from __future__ import annotations

from typing import Any

from mlplatform.client.dataapi import DataApi
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.features.digest import features_digest
from mlplatform.source.checkout import Checkout


def apply(client: DataApi, code: Checkout, name: str) -> dict[str, Any]:
    """Send the definition of one pipeline with its commit and features digest; needs the role admin. Repeating it changes nothing.

    Raises InvalidInput that names the key when pipeline.yaml is wrong, and what the data API
    refuses.
    """
    files = code.read(name)
    body = {
        "definition": files.definition.model_dump(mode="json"),
        "commit": code.commit,
        "features_digest": features_digest(files.definition, files.features),
    }
    return dict(client.put(f"/v1/pipelines/{name}", body))


def definition(client: DataApi, name: str) -> PipelineDefinition:
    """The definition of an applied pipeline."""
    return PipelineDefinition.parse(client.get(f"/v1/pipelines/{name}")["definition"])


def sample_row(pipeline: PipelineDefinition) -> dict[str, Any]:
    """A row that the pipeline's columns allow: the middle of each range, the first of the values."""
    row: dict[str, Any] = {}
    for column in pipeline.columns:
        if column.dtype == "string":
            row[column.name] = column.values[0] if column.values else "a"
        elif column.dtype == "bool":
            row[column.name] = False
        else:
            low = column.min if column.min is not None else min(0.0, column.max or 0.0)
            high = column.max if column.max is not None else max(low, 1.0)
            middle = (low + high) / 2
            row[column.name] = round(middle) if column.dtype == "int64" else middle
    return row
