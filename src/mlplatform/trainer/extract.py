"""Training rows through the data API: an Arrow stream from a standby, compared with its receipt."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pyarrow as pa

from mlplatform.client.dataapi import DataApiClient
from mlplatform.client.dataset import Dataset, read_dataset
from mlplatform.contracts.columns import Feature
from mlplatform.contracts.dataset import DatasetQuery, Receipt
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.errors import TryLater
from mlplatform.telemetry import logger
from mlplatform.trainer.pin import Pinned
from mlplatform.trainer.table import Table, from_arrow

_T = TypeVar("_T")
_log = logger("trainer")


@dataclass(frozen=True)
class Extractor:
    """Reads datasets of one pipeline. A standby that lags or is away is asked again until `wait_s` has passed."""

    api: DataApiClient
    wait_s: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def training(self, pinned: Pinned, now: datetime) -> tuple[Table, Receipt]:
        """Features with labels of the pinned digest, inside the definition's window that ends at `now`."""
        query = window(pinned.definition, now).model_copy(update={"digest": pinned.digest})
        found = self._read(f"{pinned.definition.name}.training", query)
        return from_arrow(found.table, pinned.features.features, pinned.definition.target.dtype), found.receipt

    def other_digest(self, pinned: Pinned, receipt: Receipt, digest: str, features: Sequence[Feature]) -> Table:
        """The rows of another digest over the same window and as of the same mark, to feed a champion that was trained on it.

        Without the window's `limit`: which rows are the latest may differ between digests.
        """
        query = receipt.query.model_copy(update={"digest": digest, "as_of": receipt.as_of, "limit": None, "columns": None})
        found = self._read(f"{pinned.definition.name}.training", query)
        return from_arrow(found.table, features, pinned.definition.target.dtype)

    def raw(self, pinned: Pinned, receipt: Receipt) -> pa.Table:
        """Raw columns of the same window and mark, for gates that slice by a raw column."""
        query = receipt.query.model_copy(update={"digest": None, "as_of": receipt.as_of, "limit": None, "columns": None})
        return self._read(f"{pinned.definition.name}.requests", query).table

    def _read(self, name: str, query: DatasetQuery) -> Dataset:
        return self._patiently(lambda: read_dataset(self.api, name, query))

    def _patiently(self, read: Callable[[], _T]) -> _T:
        deadline = self.clock() + self.wait_s
        while True:
            try:
                return read()
            except TryLater as error:
                if self.clock() + error.retry_after_s > deadline:
                    raise
                _log.warning("dataset not readable yet, will try again", error=str(error), after_s=error.retry_after_s)
                self.sleep(error.retry_after_s)


def window(definition: PipelineDefinition, now: datetime) -> DatasetQuery:
    """The definition's window that ends at `now`."""
    days = definition.window.days
    return DatasetQuery(since=now.astimezone(UTC) - timedelta(days=days) if days else None, limit=definition.window.max_rows)
