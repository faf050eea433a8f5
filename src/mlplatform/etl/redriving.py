"""Rows of the quarantine that a person wants to have tried again.

Each is made anew from its raw request, under the digest that refused it.
"""

from __future__ import annotations

from collections.abc import Mapping

from mlplatform.database import corrections, feature_rows, progress, quarantine, raw_lookups
from mlplatform.database.feature_rows import FeatureBatch
from mlplatform.database.pools import PrimaryPool
from mlplatform.database.raw_lookups import Found
from mlplatform.database.raw_requests import RawRequest
from mlplatform.database.sessions import Connection
from mlplatform.errors import InvalidInput
from mlplatform.etl.batch import process
from mlplatform.etl.catalogue import Catalogue, Ready
from mlplatform.etl.redacting import redacted
from mlplatform.telemetry import counter, logger

_BATCH = 5_000
"""Rows in one transaction: those of one large request are made from it some times, not hundreds."""


class Redriver:
    """Tries quarantined rows again.

    A row that is good now becomes a feature row and its entry is resolved; otherwise the entry gets
    the newest reason.
    """

    def __init__(
        self,
        raws: Mapping[str, PrimaryPool],
        warehouse: PrimaryPool,
        catalogue: Catalogue,
        *,
        batch_rows: int,
    ) -> None:
        self._raws = raws
        self._warehouse = warehouse
        self._catalogue = catalogue
        self._batch_rows = batch_rows
        # Digests of which the database refused a row: fewer at a time until it is found.
        self._limits: dict[tuple[str, str], int] = {}
        self._log = logger("etl")

    def step(self) -> int:
        """Try some rows of every digest again; returns their number.

        Raises Unavailable when the warehouse is away, or the raw server of all of them.
        """
        with self._warehouse.transaction() as warehouse:
            keys = quarantine.digests_to_redrive(warehouse)
        ready = self._catalogue.refresh() if keys else []
        return sum(
            self._catalogue.guarded(item, self._redrive, item)
            for item in ready
            if (item.pipeline, item.digest) in keys
        )

    def _redrive(self, item: Ready) -> int:
        key = item.pipeline, item.digest
        limit = self._limits.pop(key, _BATCH)
        wanted: list[tuple[str, int]] = []
        try:
            with self._warehouse.transaction() as warehouse:
                # Before the entries are locked: a correction takes both in this order.
                corrections.lay_over(warehouse, item.pipeline, [])
                wanted = quarantine.claim_redrives(warehouse, *key, limit=limit)
                self._again(warehouse, item, wanted)
        except InvalidInput as error:
            self._narrow(item, wanted, error)
        else:
            if limit < _BATCH:
                self._limits[key] = limit * 2
        return len(wanted)

    def _narrow(self, item: Ready, wanted: list[tuple[str, int]], error: InvalidInput) -> None:
        """The database refuses one of the rows: it is found by halving, and given up.

        The transaction is undone, so the rows still wait.
        """
        facts = {"pipeline": item.pipeline, "digest": item.digest[:12], "rows": len(wanted)}
        self._log.warning("the database refused a redrive", **facts, error=str(error))
        if len(wanted) > 1:
            self._limits[item.pipeline, item.digest] = len(wanted) // 2
            return
        with self._warehouse.transaction() as warehouse:
            quarantine.give_up(warehouse, item.pipeline, item.digest, wanted, error.message)

    def _again(self, warehouse: Connection, item: Ready, wanted: list[tuple[str, int]]) -> None:
        ids = sorted({request_id for request_id, _ in wanted})
        stored, complete = raw_lookups.owners_within_reach(self._raws, ids)
        # Those that are left out wait for the next turn.
        some = _within(self._batch_rows, {each: its.item.rows for each, its in stored.items()})
        requests = raw_lookups.by_id(self._raws, some)
        gone = [row for row in wanted if row[0] not in stored]
        if gone and complete:  # else they may lie on the server that is away
            reason = "the request is not in the raw database any more"
            quarantine.give_up(warehouse, item.pipeline, item.digest, gone, reason)
        if not requests:
            return
        only: dict[str, list[int]] = {}
        for request_id, row in wanted:
            only.setdefault(request_id, []).append(row)
        plain = [each.item for each in requests.values()]
        found = corrections.lay_over(warehouse, item.pipeline, plain)
        found = redacted(found, item.redactor)
        outcome = process(found, item.definition, item.features, only=only)
        self._write(warehouse, item, requests, outcome)

    def _write(
        self,
        warehouse: Connection,
        item: Ready,
        requests: Mapping[str, Found[RawRequest]],
        outcome: FeatureBatch,
    ) -> None:
        good = list(zip(outcome.ids, outcome.rows, strict=True))
        places = [
            (each.shard, each.item.topic, each.item.partition)
            for each in (requests[request_id] for request_id, _ in good)
        ]
        progress.recount(warehouse, item.pipeline, item.digest, places)
        feature_rows.store(warehouse, item.pipeline, item.digest, item.table, outcome)
        counter("etl_rows_total").labels(item.pipeline, "redriven").inc(len(good))
        self._log.info(
            "redrive",
            pipeline=item.pipeline,
            digest=item.digest[:12],
            featured=len(outcome.ids),
            still_quarantined=len(outcome.bad),
        )


def _within(most: int, rows: Mapping[str, int]) -> list[str]:
    """The first requests that have at most so many rows together; one at least."""
    chosen: list[str] = []
    total = 0
    for request_id, count in sorted(rows.items()):
        total += count
        if chosen and total > most:
            break
        chosen.append(request_id)
    return chosen
