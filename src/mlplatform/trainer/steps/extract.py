"""Extract the training rows as of one mark, with the receipt that proves them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

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
    found = datasets.read(f"{definition.name}.training", query)
    rows = from_arrow(found.table, pinned.features.features, definition.target, key=definition.key)
    return TrainingData(rows, found.receipt)


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
    found = datasets.read(f"{pinned.definition.name}.training", query)
    return from_arrow(found.table, features, pinned.definition.target)


def window(definition: PipelineDefinition, until: datetime) -> DatasetQuery:
    """The definition's window that ends at `until`."""
    days = definition.window.days
    return DatasetQuery(
        since=until.astimezone(UTC) - timedelta(days=days) if days else None,
        limit=definition.window.max_rows,
    )
