"""Named datasets out of a standby, as Arrow, with a receipt.

    with datasets.open("diabetes.training", query, caller="trainer") as read:
        for batch in read.batches():
            ...
        receipt = read.finish()

One session and one snapshot per dataset and server. It is proven to be on a standby before the
first row and again after the last; the receipt exists only then. What was read without a receipt
must be thrown away.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import pyarrow as pa
from uuid_utils import uuid7

from mlplatform.contracts.content_hash import ContentHash
from mlplatform.contracts.dataset import DatasetDescription, DatasetQuery, Receipt, ServerProof
from mlplatform.contracts.shards import FIRST
from mlplatform.database import (
    dataset_contract,
    dataset_sql,
    marks,
    merged_batches,
    pools,
    standby,
)
from mlplatform.database.arrow import ArrowSession
from mlplatform.database.dataset_contract import DatasetSource
from mlplatform.database.pools import ReplicaPool
from mlplatform.errors import Overloaded, StandbyUnproven, Unavailable


@dataclass(frozen=True)
class Part:
    """A server that a dataset is read from: its session, proven to be a standby's, and the mark."""

    shard: str
    session: ArrowSession
    position: standby.Position
    as_of: int

    def proof(self) -> ServerProof:
        """Prove it again, for its line of a receipt. Raises StandbyUnproven."""
        end = self.session.row(standby.STILL_STANDBY)
        standby.judge_end(end, server=self.position.server)
        return ServerProof(shard=self.shard, as_of=self.as_of, **asdict(self.position))


class DatasetRead:
    """A dataset on its way. Made by `DatasetStore.open`; one thread at a time."""

    def __init__(
        self,
        parts: Sequence[Part],
        source: DatasetSource,
        query: DatasetQuery,
        *,
        caller: str,
        run: str,
    ) -> None:
        self.receipt_id = str(uuid7())
        self.lsn = parts[0].position.lsn
        self.columns = dataset_sql.columns(source, query)
        self.as_of = parts[0].as_of
        self._parts = parts
        self._source = source
        self._query = query
        self._whose = {"caller": caller, "run": run}
        self._hash = ContentHash()
        self._exhausted = False
        self.schema, self._stream = _stream(parts, source, query)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, once.

        Raises Unavailable when a standby gives up: begin anew then, the rest alone would be
        another dataset.
        """
        for batch in self._stream:
            self._hash.update(batch)
            yield batch
        self._exhausted = True

    def finish(self) -> Receipt:
        """After the last batch: prove the standbys again and give the receipt.

        Raises StandbyUnproven when one was promoted meanwhile.
        """
        if not self._exhausted:
            raise StandbyUnproven("the dataset was not read to its end, so there is no receipt")
        proofs = tuple(part.proof() for part in self._parts)
        first, marks_of = proofs[0], {each.shard: each.as_of for each in proofs[1:]}
        pinned = {"as_of": self.as_of, "digest": self._source.description.digest}
        return Receipt(
            id=self.receipt_id,
            dataset=self._source.description.name,
            query=self._query.model_copy(update={**pinned, "marks": marks_of or None}),
            server_role="standby",
            lsn=self.lsn,
            **first.model_dump(include={"server", "timeline"}),
            lag_bytes=max(each.lag_bytes for each in proofs),
            as_of=self.as_of,
            servers=proofs if marks_of else (),
            rows=self._hash.rows,
            sha256=self._hash.hexdigest(),
            read_at=datetime.now(UTC),
            **self._whose,
        )


class DatasetStore:
    """All datasets.

    Contracts and feature rows come from a standby of the warehouse, raw requests from one of each
    raw server.
    """

    def __init__(
        self,
        warehouse: ReplicaPool,
        raw: ReplicaPool,
        more_raw: Mapping[str, ReplicaPool] | None = None,
    ) -> None:
        self._warehouse = warehouse
        self._raws = {FIRST: raw, **(more_raw or {})}
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
        replicas = self._raws if source.description.kind == "requests" else {"": self._warehouse}
        if not self._slots.acquire(timeout=self._warehouse.settings.connect_timeout_s):
            raise Overloaded("too many datasets are being read", retry_after_s=5.0)
        try:
            with ExitStack() as sessions:
                parts = [_part(sessions, *each, source, query) for each in replicas.items()]
                yield DatasetRead(parts, source, query, caller=caller, run=run)
        finally:
            self._slots.release()

    def _source(self, name: str, digest: str | None) -> DatasetSource:
        with self._warehouse.read() as read:
            return dataset_contract.one(read.connection, name, digest)


def _part(
    sessions: ExitStack,
    shard: str,
    replica: ReplicaPool,
    source: DatasetSource,
    query: DatasetQuery,
) -> Part:
    address = pools.streaming_conninfo(replica.dsn, replica.settings, name="dataset")
    session = sessions.enter_context(closing(ArrowSession(address, name=replica.name)))
    proof = session.row(standby.PROOF)
    position = standby.judge(proof, max_lag_bytes=replica.settings.max_lag_bytes)
    return Part(shard, session, position, _as_of(session, source, query, shard))


def _as_of(session: ArrowSession, source: DatasetSource, query: DatasetQuery, shard: str) -> int:
    """The mark to read at: the query's, or the newest that is closed in this snapshot.

    Raises Unavailable for one that is not closed here yet.
    """
    row = session.row(
        marks.SQL["closed_raw" if source.description.kind == "requests" else "closed"]
    )
    newest = int(row[0]) if row else 0
    if query.as_of is None:
        return newest
    wanted = query.as_of if shard in ("", FIRST) else (query.marks or {}).get(shard, 0)
    if wanted > newest:
        raise Unavailable(
            f"mark {wanted} is not closed on this standby yet; it has {newest}",
            field="as_of",
            retry_after_s=1.0,
        )
    return wanted


def _stream(
    parts: Sequence[Part], source: DatasetSource, query: DatasetQuery
) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    if len(parts) == 1:
        text = dataset_sql.statement(source, query, as_of=parts[0].as_of)
        return parts[0].session.stream(text)
    limits = _limits(parts, source, query)
    opened = [
        part.session.stream(
            dataset_sql.statement(
                source,
                query.model_copy(update={"limit": limit}),
                as_of=part.as_of,
                keyed=True,
            )
        )
        for part, limit in zip(parts, limits, strict=True)
    ]
    keyed = opened[0][0]
    schema = pa.schema([field for field in keyed if field.name != dataset_sql.KEY])
    streams = [stream for _, stream in opened]
    return schema, merged_batches.merge(streams, schema, key=dataset_sql.KEY)


def _limits(
    parts: Sequence[Part], source: DatasetSource, query: DatasetQuery
) -> Sequence[int | None]:
    """How many of its latest rows each server gives, such that together they are the latest."""
    if query.limit is None:
        return [None] * len(parts)
    found = []
    for place, part in enumerate(parts):
        text = dataset_sql.latest_keys(source, query, as_of=part.as_of)
        _, stream = part.session.stream(text)
        found += [
            batch.append_column("part", pa.array([place] * batch.num_rows)) for batch in stream
        ]
    if not found:
        return [0] * len(parts)
    latest = pa.Table.from_batches(found)
    order = [("time", "descending"), (dataset_sql.KEY, "descending")]
    chosen = latest.sort_by(order).slice(0, query.limit)["part"].to_pylist()
    return [chosen.count(place) for place in range(len(parts))]
