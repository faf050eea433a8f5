"""Training rows through the data API: an Arrow stream from a standby, compared with its receipt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mlplatform.client.dataapi import DataApi
from mlplatform.client.dataset import Dataset, download
from mlplatform.contracts.columns import Columns, Feature
from mlplatform.contracts.dataset import DatasetQuery, Receipt
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.retry import retry
from mlplatform.trainer.labelled_rows import LabelledRows, from_arrow
from mlplatform.trainer.raw_columns import of_rows
from mlplatform.trainer.steps.pin import Pinned


@dataclass(frozen=True)
class Extractor:
    """Reads datasets of one pipeline.

    While a standby lags or is away it is asked again, until `wait_s` has passed.
    """

    api: DataApi
    wait_s: float

    def training(
        self, pinned: Pinned, now: datetime, *, as_of: int
    ) -> tuple[LabelledRows, Receipt]:
        """Features with labels of the pinned digest as of that mark, inside the definition's window that ends at `now`.

        A standby that does not have the mark yet is waited for: its own newest one would be a
        smaller dataset, and nobody would notice.
        """
        query = window(pinned.definition, now).model_copy(
            update={"digest": pinned.digest, "as_of": as_of}
        )
        found = self._read(f"{pinned.definition.name}.training", query)
        return from_arrow(
            found.table,
            pinned.features.features,
            pinned.definition.target,
            key=pinned.definition.key,
        ), found.receipt

    def other_digest(
        self, pinned: Pinned, receipt: Receipt, digest: str, features: Sequence[Feature]
    ) -> LabelledRows:
        """The rows of another digest over the same window and as of the same mark, to feed a champion that was trained on it.

        Without the window's `limit`: which rows are the latest may differ between digests.
        """
        query = receipt.query.model_copy(
            update={"digest": digest, "as_of": receipt.as_of, "limit": None}
        )
        found = self._read(f"{pinned.definition.name}.training", query)
        return from_arrow(found.table, features, pinned.definition.target)

    def sliced(self, pinned: Pinned, test: LabelledRows) -> Columns:
        """Features of the test rows, and the raw columns that gates slice by (read only when a gate names one).

        Raw requests are in another database, whose marks are its own: its standby is asked again
        until it has the rows.
        """
        named = {gate.slice for gate in pinned.definition.gates}
        wanted = [
            column
            for column in pinned.definition.columns
            if column.name in named and column.name not in test.features
        ]
        if not wanted:
            return test.features
        query = DatasetQuery(columns=("request_id", "inputs"))

        def read() -> Columns:
            return of_rows(
                self._read(f"{pinned.definition.name}.requests", query).table, test, wanted
            )

        return {**test.features, **retry(read, seconds=self.wait_s)}

    def _read(self, name: str, query: DatasetQuery) -> Dataset:
        return download(self.api, name, query, deadline_s=self.wait_s)


def window(definition: PipelineDefinition, now: datetime) -> DatasetQuery:
    """The definition's window that ends at `now`."""
    days = definition.window.days
    return DatasetQuery(
        since=now.astimezone(UTC) - timedelta(days=days) if days else None,
        limit=definition.window.max_rows,
    )
