"""Datasets through the data API: an Arrow stream from a standby, compared with its receipt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from mlplatform.client.dataapi import DataApi
from mlplatform.client.dataset import Dataset, download
from mlplatform.contracts.dataset import DatasetQuery
from mlplatform.retry import retry

T = TypeVar("T")


@dataclass(frozen=True)
class DatasetReader:
    """Reads datasets; a standby that lags or is away is tried again until `wait_s` has passed."""

    api: DataApi
    wait_s: float

    def read(self, name: str, query: DatasetQuery) -> Dataset:
        """The whole dataset. Blocks; raises Unavailable or Overloaded after `wait_s`."""
        return download(self.api, name, query, deadline_s=self.wait_s)

    def until_complete(self, read: Callable[[], T]) -> T:
        """What `read` returns, repeated while it raises TryLater, until `wait_s` has passed."""
        return retry(read, seconds=self.wait_s)
