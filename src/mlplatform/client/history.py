"""Recent rows of a pipeline, to try features.py on."""

from __future__ import annotations

from mlplatform.client.dataapi import DataApi
from mlplatform.contracts.columns import Columns
from mlplatform.contracts.dataset import DatasetQuery
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.features.history import REQUESTS, clean_rows


def recent_rows(api: DataApi, definition: PipelineDefinition) -> Columns | None:
    """Some rows that were stored last and keep the definition; None when there is none.

    Needs the role reader, trainer or admin. Raises TryLater when no standby can be proven.
    """
    query = DatasetQuery(columns=("inputs",), limit=REQUESTS)
    found = api.dataset_rows(f"{definition.name}.requests", query)
    texts = (str(row["inputs"]) for row in found.rows)
    return clean_rows(texts, definition.inputs, definition.redact)
