"""Named datasets out of a standby, as Arrow, with a receipt.

    with datasets.open("diabetes.training", query, caller="trainer") as read:
        for batch in read.batches():
            ...
        receipt = read.finish()

One session and one snapshot per dataset. The session is proven to be on a standby before the first
row and again after the last; the receipt exists only then. What was read without a receipt must be
thrown away.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime

import pyarrow as pa
from uuid_utils import uuid7

from mlplatform.contracts.content_hash import ContentHash
from mlplatform.contracts.dataset import DatasetDescription, DatasetQuery, Receipt
from mlplatform.database import dataset_contract, dataset_sql, marks, pools, standby
from mlplatform.database.arrow import ArrowSession
from mlplatform.database.dataset_contract import DatasetSource
from mlplatform.database.pools import ReplicaPool
from mlplatform.errors import Overloaded, StandbyUnproven, Unavailable


class DatasetRead:
    """A dataset on its way. Made by `DatasetStore.open`; one thread at a time."""

    def __init__(
        self,
        session: ArrowSession,
        source: DatasetSource,
        query: DatasetQuery,
        position: standby.Position,
        *,
        caller: str,
        run: str,
    ) -> None:
        self.receipt_id = str(uuid7())
        self.lsn = position.lsn
        self.columns = dataset_sql.columns(source, query)
        self.as_of = _as_of(session, source, query)
        self._session = session
        self._source = source
        self._query = query
        self._position = position
        self._whose = {"caller": caller, "run": run}
        self._hash = ContentHash()
        self._exhausted = False
        self.schema, self._stream = session.stream(
            dataset_sql.statement(source, query, as_of=self.as_of)
        )

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, once.

        Raises Unavailable when the standby gives up: begin anew then, the rest alone would be
        another dataset.
        """
        for batch in self._stream:
            self._hash.update(batch)
            yield batch
        self._exhausted = True

    def finish(self) -> Receipt:
        """After the last batch: prove the standby again and give the receipt.

        Raises StandbyUnproven when it was promoted meanwhile.
        """
        if not self._exhausted:
            raise StandbyUnproven("the dataset was not read to its end, so there is no receipt")
        standby.judge_end(self._session.row(standby.STILL_STANDBY), server=self._position.server)
        return Receipt(
            id=self.receipt_id,
            dataset=self._source.description.name,
            query=self._query.model_copy(
                update={"as_of": self.as_of, "digest": self._source.description.digest}
            ),
            server_role="standby",
            server=self._position.server,
            lsn=self.lsn,
            timeline=self._position.timeline,
            lag_bytes=self._position.lag_bytes,
            as_of=self.as_of,
            rows=self._hash.rows,
            sha256=self._hash.hexdigest(),
            read_at=datetime.now(UTC),
            **self._whose,
        )


class DatasetStore:
    """All datasets.

    Contracts and feature rows come from a standby of the warehouse, raw requests from one of the
    raw database.
    """

    def __init__(self, warehouse: ReplicaPool, raw: ReplicaPool) -> None:
        self._warehouse = warehouse
        self._raw = raw
        # Streams hold a session each, for as long as their reader takes; so they have a bound of
        # their own beside the pools'.
        self._slots = threading.BoundedSemaphore(warehouse.settings.pool_max)

    def list(self) -> list[DatasetDescription]:
        """The contracts of all datasets."""
        with self._warehouse.read() as read:
            return [source.description for source in dataset_contract.every(read.connection)]

    def describe(self, name: str, digest: str | None = None) -> DatasetDescription:
        """The contract of one dataset. Raises UnknownName."""
        return self._source(name, digest).description

    @contextmanager
    def open(
        self, name: str, query: DatasetQuery, *, caller: str, run: str = ""
    ) -> Generator[DatasetRead]:
        """Begin to read, for a training run or (empty) none.

        Nothing has been sent to a client yet when this raises.
        Raises UnknownName and InvalidInput for what does not exist; StandbyUnproven, StandbyLagging
        and Unavailable (also for a mark that is not closed here yet) when another try makes sense;
        Overloaded when too many datasets are being read.
        """
        source = self._source(name, query.digest)
        source.ready()
        dataset_sql.columns(source, query)
        replica = self._raw if source.description.kind == "requests" else self._warehouse
        if not self._slots.acquire(timeout=replica.settings.connect_timeout_s):
            raise Overloaded("too many datasets are being read", retry_after_s=5.0)
        try:
            address = pools.streaming_conninfo(replica.dsn, replica.settings, name="dataset")
            with closing(ArrowSession(address, name=replica.name)) as session:
                proof = session.row(standby.PROOF)
                position = standby.judge(proof, max_lag_bytes=replica.settings.max_lag_bytes)
                yield DatasetRead(session, source, query, position, caller=caller, run=run)
        finally:
            self._slots.release()

    def _source(self, name: str, digest: str | None) -> DatasetSource:
        with self._warehouse.read() as read:
            return dataset_contract.one(read.connection, name, digest)


def _as_of(session: ArrowSession, source: DatasetSource, query: DatasetQuery) -> int:
    """The mark to read at: the query's, or the newest that is closed in this snapshot.

    Raises Unavailable for one that is not closed here yet.
    """
    row = session.row(
        marks.SQL["closed_raw" if source.description.kind == "requests" else "closed"]
    )
    newest = int(row[0]) if row else 0
    if query.as_of is None:
        return newest
    if query.as_of > newest:
        raise Unavailable(
            f"mark {query.as_of} is not closed on this standby yet; it has {newest}",
            field="as_of",
            retry_after_s=1.0,
        )
    return query.as_of
