"""The work of etl: one batch of one road at a time.

A road is one (topic, partition) of raw rows, seen by one features digest; its place is a row of
warehouse.progress. Any number of etl processes take places with SKIP LOCKED. A batch is one
warehouse transaction, so it happens wholly or not at all; killed in the middle it is done again by
whoever takes the place next. A new digest begins all roads at 0: its backfill goes on beside the
older digests.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping

from mlplatform.database import featuring, raw_requests
from mlplatform.database.featuring import Outcome
from mlplatform.database.pools import Connection, PrimaryPool
from mlplatform.database.raw_requests import Cursor, RawRequest
from mlplatform.errors import InvalidInput, Refused
from mlplatform.etl.batch import process, refused
from mlplatform.etl.catalogue import Catalogue, Ready
from mlplatform.etl.redriving import Redriver
from mlplatform.settings import EtlSettings
from mlplatform.telemetry import counter, histogram, logger

Key = tuple[str, str, str, int]
IMPORTS = "import:"


class Worker:
    """One thread. Keeps nothing that another process would need."""

    def __init__(
        self, raw: PrimaryPool, warehouse: PrimaryPool, catalogue: Catalogue, settings: EtlSettings
    ) -> None:
        self._raw = raw
        self._warehouse = warehouse
        self._catalogue = catalogue
        self._settings = settings
        self._redriver = Redriver(raw, warehouse)
        self._limits: dict[
            Key, int
        ] = {}  # roads on which the database refused something: smaller batches until that is found
        self._log = logger("etl")

    def step(self) -> int:
        """One batch of every road that has something, and what was asked to be redriven. Returns the number of requests dealt with.

        Raises Unavailable when a database is away; nothing has to be remembered then.
        """
        ready = {(item.pipeline, item.digest): item for item in self._catalogue.refresh()}
        done = sum(
            self._guarded(item, self._batch, place, item) for place, item in self._waiting(ready)
        )
        return done + sum(
            self._guarded(ready[key], self._redriver.redrive, ready[key])
            for key in self._redriver.asked()
            if key in ready
        )

    def _guarded(self, item: Ready, work: Callable[..., int], *arguments: object) -> int:
        """A digest whose table can't be written is put aside; the others go on."""
        try:
            return work(*arguments)
        except Refused as error:
            self._catalogue.fail(item, error)
            return 0

    def _waiting(self, ready: Mapping[tuple[str, str], Ready]) -> list[tuple[Cursor, Ready]]:
        """Places with requests behind them, in random order: several processes should not all knock at the same one first."""
        with self._raw.transaction() as raw:
            roads = raw_requests.partitions(raw)
        with self._warehouse.transaction() as warehouse:
            known = {_key(place): place for place in featuring.places(warehouse)}
            wanted = [
                Cursor(item.pipeline, item.digest, *pair, 0)
                for item in ready.values()
                for pair in roads
                if _concerns(pair[0], item)
            ]
            new = [place for place in wanted if _key(place) not in known]
            if new:
                featuring.add_places(warehouse, new)
        places = [known.get(_key(place), place) for place in wanted]
        with self._raw.transaction() as raw:
            waiting = raw_requests.waiting(raw, places)
        random.shuffle(waiting)
        return [(place, ready[place.pipeline, place.digest]) for place in waiting]

    def _batch(self, place: Cursor, item: Ready) -> int:
        started = time.perf_counter()
        limit = self._limits.get(_key(place), self._settings.batch_requests)
        requests: list[RawRequest] = []
        try:
            with self._warehouse.transaction() as warehouse:
                next_offset = featuring.claim(warehouse, place)
                if next_offset is None:
                    return 0
                with self._raw.transaction() as raw:
                    requests = raw_requests.read(
                        raw,
                        place,
                        next_offset=next_offset,
                        requests=limit,
                        rows=self._settings.batch_rows,
                    )
                if not requests:
                    return 0
                outcome = process(requests, item.definition, item.features)
                featuring.store(warehouse, place, item.table, outcome)
                self._advance(warehouse, place, requests, outcome)
        except InvalidInput as error:
            return self._narrow(place, item, requests, error)
        self._widen(place)
        self._tell(place, requests, outcome, time.perf_counter() - started)
        return len(requests)

    def _narrow(
        self, place: Cursor, item: Ready, requests: list[RawRequest], error: InvalidInput
    ) -> int:
        """The database refuses something that our checks let pass: find its request by halving the batch, then put that one aside."""
        counter("etl_failures_total").labels(place.pipeline).inc()
        self._log.error(
            "the database refused a batch",
            pipeline=place.pipeline,
            requests=len(requests),
            error=str(error),
        )
        if len(requests) > 1:
            self._limits[_key(place)] = len(requests) // 2
            return len(requests)
        outcome = refused(requests, item.definition, error.message)
        with self._warehouse.transaction() as warehouse:
            next_offset = featuring.claim(warehouse, place)
            if next_offset is None or next_offset > requests[0].log_offset:
                return 0  # another etl was faster
            featuring.quarantine(warehouse, place.pipeline, place.digest, outcome.bad)
            self._advance(warehouse, place, requests, outcome)
        self._tell(place, requests, outcome, 0.0)
        return 1

    def _widen(self, place: Cursor) -> None:
        limit = self._limits.pop(_key(place), None)
        if limit is not None and limit * 2 < self._settings.batch_requests:
            self._limits[_key(place)] = limit * 2

    def _advance(
        self, warehouse: Connection, place: Cursor, requests: list[RawRequest], outcome: Outcome
    ) -> None:
        following = requests[-1].log_offset + 1
        featuring.advance(
            warehouse,
            place,
            next_offset=following,
            featured=len(outcome.ids),
            quarantined=len(outcome.bad),
        )

    def _tell(
        self, place: Cursor, requests: list[RawRequest], outcome: Outcome, seconds: float
    ) -> None:
        rows = counter("etl_rows_total")
        rows.labels(place.pipeline, "featured").inc(len(outcome.ids))
        rows.labels(place.pipeline, "quarantined").inc(len(outcome.bad))
        histogram("etl_batch_seconds").labels(place.pipeline).observe(seconds)
        self._log.info(
            "batch",
            pipeline=place.pipeline,
            digest=place.digest[:12],
            topic=place.topic,
            partition=place.partition,
            requests=len(requests),
            featured=len(outcome.ids),
            quarantined=len(outcome.bad),
            seconds=round(seconds, 4),
        )


def _key(place: Cursor) -> Key:
    return place.pipeline, place.digest, place.topic, place.partition


def _concerns(topic: str, item: Ready) -> bool:
    """Imports have a topic per pipeline; a topic of the queue carries requests of all pipelines."""
    return not topic.startswith(IMPORTS) or topic == IMPORTS + item.pipeline
