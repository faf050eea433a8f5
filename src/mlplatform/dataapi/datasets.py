"""Datasets out: rows from a proven standby.

A receipt exists only if the stream was complete.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

from mlplatform.access import Caller
from mlplatform.contracts.dataset import DatasetDescription, DatasetQuery, KnownReceipt
from mlplatform.dataapi import formats, rights
from mlplatform.dataapi.audit import AuditLog
from mlplatform.database import receipts
from mlplatform.database.datasets import DatasetRead, DatasetStore
from mlplatform.database.ledger import Entry
from mlplatform.database.pools import PrimaryPool
from mlplatform.telemetry import counter

MAY = rights.READ_DATASET.roles


@dataclass(frozen=True)
class DatasetRequest:
    """Who reads which rows of a dataset, and in which format."""

    caller: Caller
    name: str
    query: DatasetQuery
    kind: formats.Format
    safe: formats.Safe | None


class Datasets:
    """Handler of datasets. Safe to share between threads; a stream is not."""

    def __init__(self, store: DatasetStore, warehouse: PrimaryPool, audit: AuditLog) -> None:
        self._store = store
        self._warehouse = warehouse
        self._audit = audit

    def all(self, caller: Caller) -> Sequence[DatasetDescription]:
        """The contracts of the datasets that the caller may read."""
        with self._audit.viewing(
            caller, "datasets", roles=rights.LIST_DATASETS.roles, pipeline=None
        ):
            return [
                item
                for item in self._store.list()
                if caller.may(rights.LIST_DATASETS.roles, item.pipeline)
            ]

    def receipt(self, caller: Caller, receipt_id: str) -> KnownReceipt:
        """The receipt of a complete stream. Raises UnknownName."""
        with self._audit.viewing(
            caller, "receipts", roles=rights.VIEW_RECEIPT.roles, pipeline=None
        ):
            with self._warehouse.transaction() as connection:
                receipt = receipts.known(connection, receipt_id)
            caller.require(rights.VIEW_RECEIPT.roles, pipeline_of(receipt.dataset))
            return receipt

    def open(
        self,
        caller: Caller,
        name: str,
        query: DatasetQuery,
        *,
        kind: formats.Format,
        safe: formats.Safe | None,
    ) -> DatasetStream:
        """Begin to read.

        Raises what is refused. The caller must close the stream that it gets.
        """
        request = DatasetRequest(caller, name, query, kind, safe)
        return DatasetStream(self._store, self._warehouse, self._audit, request)


class DatasetStream:
    """An open stream: iterate over `pieces` to the end, and `close` it whatever happens.

    One thread at a time.

    The ledger has `opened` before the first byte leaves, and the rows and the outcome at the end.
    The receipt is written after the last row, when the standby was proven again, and before the end
    mark: a reader that saw the end finds it. A stream that breaks off has none.
    """

    def __init__(
        self,
        store: DatasetStore,
        warehouse: PrimaryPool,
        audit: AuditLog,
        request: DatasetRequest,
    ) -> None:
        self._store = store
        self._warehouse = warehouse
        self._audit = audit
        self._request = request
        self.kind = request.kind
        self.receipt_id = ""
        self.as_of = 0
        self.pieces = self._run()
        next(self.pieces)  # up to the entry `opened`

    def close(self) -> None:
        """End the read. Harmless at any time, also twice."""
        self.pieces.close()

    def _run(self) -> Generator[bytes]:
        caller, name = self._request.caller, self._request.name
        attempt = self._audit.attempt(caller, "read", name, roles=MAY, pipeline=pipeline_of(name))
        with (
            attempt as entry,
            self._store.open(name, self._request.query, caller=caller.name, run=caller.run) as read,
        ):
            self._enter_opened(entry, read)
            yield b""
            encoder = formats.encoder(self.kind, read.schema, self._request.safe)
            sent = 0
            for batch in read.batches():
                sent += batch.num_rows
                entry.rows = sent
                counter("dataapi_dataset_rows_total").labels(name).inc(batch.num_rows)
                yield encoder.batch(batch)
            end = encoder.end()
            receipt = read.finish()
            with self._warehouse.transaction() as connection:
                receipts.add(connection, receipt)
                self._audit.enter(connection, entry)
        yield end  # outside: the read is entered as complete, whatever becomes of its last bytes

    def _enter_opened(self, entry: Entry, read: DatasetRead) -> None:
        entry.columns, entry.lsn = list(read.columns), read.lsn
        entry.detail = {"receipt": read.receipt_id, "as_of": read.as_of, "format": self.kind}
        if self._request.safe is not None:
            entry.detail["safe"] = self._request.safe
        self.receipt_id, self.as_of = read.receipt_id, read.as_of
        self._audit.write(replace(entry, outcome="opened"))


def pipeline_of(dataset: str) -> str:
    """The pipeline of a dataset's name, `<pipeline>.<kind>`."""
    return dataset.partition(".")[0]
