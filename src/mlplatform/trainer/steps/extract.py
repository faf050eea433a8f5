"""Extract the training rows as of one mark, with the receipt that proves them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from mlplatform import memory
from mlplatform.contracts.columns import Feature
from mlplatform.contracts.dataset import DatasetQuery, Receipt
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.trainer.datasets import DatasetReader
from mlplatform.trainer.labelled_rows import LabelledRows, from_arrow
from mlplatform.trainer.results import Pinned, TrainingData


def extract(
    datasets: DatasetReader, pinned: Pinned, until: datetime, *, as_of: int
) -> TrainingData:
    """Features with labels of the pinned digest, inside the definition's window up to `until`.

    A standby that does not have the mark `as_of` yet is waited for: its own newest mark would give
    a smaller dataset without a word.
    """
    definition = pinned.definition
    query = window(definition, until).model_copy(update={"digest": pinned.digest, "as_of": as_of})
    columns, receipt = _read(datasets, f"{definition.name}.training", query)
    rows = from_arrow(
        columns,
        pinned.features.features,
        definition.target,
        key=definition.key,
        weight=definition.weight,
    )
    memory.give_back()
    return TrainingData(rows, receipt)


def extract_other_digest(
    datasets: DatasetReader,
    pinned: Pinned,
    receipt: Receipt,
    digest: str,
    features: Sequence[Feature],
) -> LabelledRows:
    """The rows of another digest, over the window and as of the mark of `receipt`.

    A champion that was trained on that digest is evaluated on them. The window's `limit` is left
    out: which rows are the latest may differ between digests.
    """
    query = receipt.query.model_copy(
        update={"digest": digest, "as_of": receipt.as_of, "limit": None}
    )
    columns, _ = _read(datasets, f"{pinned.definition.name}.training", query)
    return from_arrow(columns, features, pinned.definition.target)


def _read(
    datasets: DatasetReader, name: str, query: DatasetQuery
) -> tuple[dict[str, pa.ChunkedArray], Receipt]:
    """Columns that nothing else holds on to."""
    found = datasets.read(name, query)
    return dict(zip(found.table.column_names, found.table.columns, strict=True)), found.receipt


def window(definition: PipelineDefinition, until: datetime) -> DatasetQuery:
    """The definition's window that ends at `until`."""
    days = definition.window.days
    return DatasetQuery(
        since=until.astimezone(UTC) - timedelta(days=days) if days else None,
        limit=definition.window.max_rows,
    )
