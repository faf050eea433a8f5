"""The work of etl: one batch of one partition at a time.

A cursor is a row of warehouse.progress: how far one features digest is in one (topic, partition) of
a raw server. Any number of etl processes claim cursors with SKIP LOCKED. A batch is one warehouse
transaction, so it happens wholly or not at all; killed in the middle it is done again by whoever
claims the cursor next. A new digest begins all partitions at 0: its backfill goes on beside the
older digests.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import replace

from mlplatform.contracts.shards import FIRST
from mlplatform.database import (
    corrections,
    feature_rows,
    forget,
    progress,
    raw_requests,
    shards,
)
from mlplatform.database.feature_rows import FeatureBatch
from mlplatform.database.pools import PrimaryPool
from mlplatform.database.progress import Cursor
from mlplatform.database.raw_requests import RawRequest
from mlplatform.database.sessions import Connection
from mlplatform.errors import InvalidInput
from mlplatform.etl.batch import process
from mlplatform.etl.catalogue import Catalogue, Ready
from mlplatform.etl.redacting import redacted
from mlplatform.etl.sifting import sift
from mlplatform.settings import EtlSettings
from mlplatform.telemetry import counter, histogram, logger
from mlplatform.watchdog import turned

Key = tuple[str, str, str, str, int]
IMPORTS = "import:"


class Worker:
    """Works on one raw server. One thread. Keeps nothing that another process would need."""

    def __init__(
        self,
        raw: PrimaryPool,
        warehouse: PrimaryPool,
        catalogue: Catalogue,
        settings: EtlSettings,
        *,
        shard: str = FIRST,
    ) -> None:
        self._shard = shard
        self._raw = raw
        self._warehouse = warehouse
        self._catalogue = catalogue
        self._settings = settings
        # Cursors at which the database refused something: smaller batches until that is found.
        self._limits: dict[Key, int] = {}
        self._log = logger("etl")

    def step(self) -> int:
        """One batch of every cursor that has requests.

        Returns the number of requests dealt with. Raises Unavailable when a database is away;
        nothing has to be remembered then.
        """
        ready = {(item.pipeline, item.digest): item for item in self._catalogue.refresh()}
        return sum(
            self._catalogue.guarded(item, self._batch, cursor, item)
            for cursor, item in self._waiting(ready)
        )

    def _waiting(self, ready: Mapping[tuple[str, str], Ready]) -> list[tuple[Cursor, Ready]]:
        """Cursors with requests to read.

        In random order: etl processes should not all try to claim the same one first.
        """
        with self._raw.transaction() as raw:
            shards.require(raw, self._shard)
            partitions = raw_requests.partitions(raw)
        with self._warehouse.transaction() as warehouse:
            known = {_key(cursor): cursor for cursor in progress.all_cursors(warehouse)}
            wanted = [
                Cursor(item.pipeline, item.digest, *pair, shard=self._shard)
                for item in ready.values()
                for pair in partitions
                if _concerns(pair[0], item)
            ]
            wanted = [known.get(_key(cursor), cursor) for cursor in wanted]
            new = [cursor for cursor in wanted if _key(cursor) not in known]
            if new:
                # Committed before any batch: a cursor can only be claimed where a row is. Another
                # etl may begin the same ones at the same time; both then find them.
                progress.begin(warehouse, new)
        cursors = [
            self._set_back(cursor, partitions[cursor.topic, cursor.partition]) for cursor in wanted
        ]
        with self._raw.transaction() as raw:
            waiting = raw_requests.waiting(raw, cursors)
        random.shuffle(waiting)
        return [(cursor, ready[cursor.pipeline, cursor.digest]) for cursor in waiting]

    def _set_back(self, cursor: Cursor, setbacks: int) -> Cursor:
        """The cursor, before rows that were stored below its place since it last looked."""
        if setbacks <= cursor.setbacks:
            return cursor
        turned()
        with self._raw.transaction() as raw:
            lowest = raw_requests.lowest_since(raw, cursor)
        if lowest is None:
            return cursor
        with self._warehouse.transaction() as warehouse:
            progress.set_back(warehouse, cursor, lowest=lowest, seen=setbacks)
        if lowest < cursor.next_offset:
            facts = {"pipeline": cursor.pipeline, "topic": cursor.topic}
            place = {"partition": cursor.partition, "place": cursor.next_offset, "lowest": lowest}
            self._log.warning("rows were stored below etl's place: reading again", **facts, **place)
        return replace(cursor, next_offset=min(cursor.next_offset, lowest), setbacks=setbacks)

    def _batch(self, cursor: Cursor, item: Ready) -> int:
        started = time.perf_counter()
        requests: list[RawRequest] = []
        try:
            with self._warehouse.transaction() as warehouse:
                # The claim's row lock holds until the commit, so nobody else works on this cursor;
                # the offset is read under it, since what `_waiting` saw may be out of date.
                next_offset = progress.claim(warehouse, cursor)
                if next_offset is None:
                    return 0  # another etl has it
                requests = self._read(warehouse, cursor, next_offset)
                if not requests:
                    return 0
                requests = corrections.lay_over(warehouse, item.pipeline, requests)
                requests = redacted(requests, item.redactor)
                outcome = process(requests, item.definition, item.features)
                turned()  # statements before, features between, statements behind
                feature_rows.store(warehouse, item.pipeline, item.digest, item.table, outcome)
                # In the same transaction as the rows: neither can be there without the other.
                self._advance(warehouse, cursor, requests, outcome)
        except InvalidInput as error:
            return self._narrow(cursor, item, requests, error)
        self._widen(cursor)
        self._report(cursor, requests, outcome, time.perf_counter() - started)
        return len(requests)

    def _read(self, warehouse: Connection, cursor: Cursor, next_offset: int) -> list[RawRequest]:
        # First: what is corrected or forgotten from here on waits for the commit.
        corrections.lock_shared(warehouse, cursor.pipeline)
        # A transaction of its own, closed at once: raw must not be kept from cleaning up while
        # features are made.
        with self._raw.transaction() as raw:
            return raw_requests.read(
                raw,
                cursor,
                next_offset=next_offset,
                requests=self._limits.get(_key(cursor), self._settings.batch_requests),
                rows=self._settings.batch_rows,
            )

    def _narrow(
        self, cursor: Cursor, item: Ready, requests: list[RawRequest], error: InvalidInput
    ) -> int:
        """The database refuses what our checks let pass, or features.py does not come back.

        Its request is found by halving the batch from step to step; then the rows at fault are
        put into quarantine.
        """
        counter("etl_failures_total").labels(cursor.pipeline).inc()
        count = len(requests)
        facts = {"pipeline": cursor.pipeline, "requests": count, "error": str(error)}
        self._log.error("a batch was refused", **facts)
        if count > 1:
            self._limits[_key(cursor)] = count // 2
            return count
        return self._sift(cursor, item, requests[0])

    def _sift(self, cursor: Cursor, item: Ready, request: RawRequest) -> int:
        with self._warehouse.transaction() as warehouse:
            next_offset = progress.claim(warehouse, cursor)
            # The refused transaction gave the claim back, so another etl may have been faster.
            if next_offset is None or next_offset > request.log_offset:
                return 0
            corrections.lock_shared(warehouse, item.pipeline)
            with self._raw.transaction() as raw:  # some of it may have been forgotten since
                requests = raw_requests.by_id(raw, [request.request_id])
            if not requests:
                return 0
            corrected = corrections.lay_over(warehouse, item.pipeline, requests)
            outcome = sift(warehouse, item, *redacted(corrected, item.redactor))
            self._advance(warehouse, cursor, requests, outcome)
        self._report(cursor, requests, outcome, 0.0)
        return 1

    def _widen(self, cursor: Cursor) -> None:
        """After a batch that went well the next one may be twice as large, up to the setting."""
        limit = self._limits.pop(_key(cursor), None)
        if limit is not None and limit * 2 < self._settings.batch_requests:
            self._limits[_key(cursor)] = limit * 2

    def _advance(
        self,
        warehouse: Connection,
        cursor: Cursor,
        requests: list[RawRequest],
        outcome: FeatureBatch,
    ) -> None:
        following = requests[-1].log_offset + 1
        forget.pass_over(warehouse, cursor.pipeline, cursor.digest, requests)
        progress.advance(
            warehouse,
            cursor,
            next_offset=following,
            featured=len(outcome.ids),
            quarantined=len(outcome.bad),
        )

    def _report(
        self, cursor: Cursor, requests: list[RawRequest], outcome: FeatureBatch, seconds: float
    ) -> None:
        rows = counter("etl_rows_total")
        rows.labels(cursor.pipeline, "featured").inc(len(outcome.ids))
        rows.labels(cursor.pipeline, "quarantined").inc(len(outcome.bad))
        histogram("etl_batch_seconds").labels(cursor.pipeline).observe(seconds)
        self._log.info(
            "batch",
            pipeline=cursor.pipeline,
            digest=cursor.digest[:12],
            topic=cursor.topic,
            partition=cursor.partition,
            requests=len(requests),
            featured=len(outcome.ids),
            quarantined=len(outcome.bad),
            seconds=round(seconds, 4),
        )


def _key(cursor: Cursor) -> Key:
    return cursor.pipeline, cursor.digest, cursor.shard, cursor.topic, cursor.partition


def _concerns(topic: str, item: Ready) -> bool:
    """Imports have a topic per pipeline; a topic of the queue carries requests of all pipelines."""
    return not topic.startswith(IMPORTS) or topic == IMPORTS + item.pipeline
