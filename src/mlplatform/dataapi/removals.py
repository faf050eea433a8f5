"""How each kind is removed: some records a transaction, a few transactions a call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mlplatform.contracts.removed import Removed
from mlplatform.contracts.retention_days import Kind
from mlplatform.dataapi import united_removal
from mlplatform.dataapi.past_requests import PastRequests, past_requests
from mlplatform.dataapi.removed_runs import RemovedRuns
from mlplatform.dataapi.retention_days import Days
from mlplatform.database import raw_lookups, raw_removal, removal, removed_ranges, retention
from mlplatform.database.pools import PrimaryPool
from mlplatform.database.removal import first_id
from mlplatform.database.removed_amount import Amount
from mlplatform.database.retention import Bounded
from mlplatform.database.sessions import Connection

MOST = 10_000
"""Records per transaction: it holds their locks."""
CHUNKS = 5
"""Transactions per call: the answer comes within seconds, and the caller calls again."""
NEEDED = "a version's receipt needs them"
WAITING = "etl has not passed them under every features digest in use"
REQUESTED = "etl may still read their requests"
_ON_RAW = ("requests", "imports", "dead_letters")
_BOUNDED: Mapping[Kind, tuple[Bounded, str]] = {
    "feature_rows": ("feature_rows", NEEDED),
    "labels": ("labels", NEEDED),
    "quarantine": ("quarantine", REQUESTED),
    "quarantine_open": ("quarantine_open", REQUESTED),
    "receipts": ("receipts", NEEDED),
    "ledger": ("ledger", ""),
}


class Removals:
    """Removes, or with `remove` false counts all that would be removed. Nothing is checked here."""

    def __init__(
        self, raws: Mapping[str, PrimaryPool], warehouse: PrimaryPool, runs: RemovedRuns
    ) -> None:
        self._raws = raws
        self._warehouse = warehouse
        self._runs = runs

    def pipelines(self) -> Sequence[str]:
        """Pipelines that have requests."""
        found: set[str] = set()
        for pool in self._raws.values():
            with pool.transaction() as raw:
                found |= set(removal.pipelines(raw))
        return sorted(found)

    def of(self, days: Days, kind: Kind, pipeline: str | None, *, remove: bool) -> Removed:
        """What was removed of a kind; `more` when another call would remove more."""
        before, name = days.before(pipeline, kind), pipeline or ""
        if kind in _ON_RAW:
            raw_lookups.require_all(self._raws)
        if kind == "requests":
            done = united_removal.united(
                [self._requests(days, each, remove=remove) for each in self._raws]
            )
            if remove and done.items and not done.more:
                removed_ranges.unite(self._raws)
            return done
        if kind in _BOUNDED:
            return self._bounded(days, kind, pipeline, remove=remove)
        if kind == "features":
            return self._features(days, name, remove=remove)
        if kind == "runs":
            return self._runs.past(name, before, remove=remove)
        if kind == "logs":
            return self._runs.logs(before, remove=remove)

        def some(raw: Connection) -> Amount:
            if kind == "imports":
                return raw_removal.imports(raw, name, before, most=MOST, remove=remove)
            return raw_removal.dead_letters(raw, before, most=MOST, remove=remove)

        counts = [_chunks(pool, some, remove=remove) for pool in self._raws.values()]
        return united_removal.united(
            [_removed(kind, pipeline, total, more=more) for total, more in counts]
        )

    def _requests(self, days: Days, shard: str, *, remove: bool) -> Removed:
        past = self._past(days, shard)
        with self._raws[shard].transaction() as raw:
            retention.allow_long(raw)
            names = removal.past_partitions(raw, past.lines)
        if remove:
            return self._remove_requests(past, names, shard)
        with self._raws[shard].transaction() as raw:
            retention.allow_long(raw)
            found = removal.past_requests(raw, past.lines)
            late = removal.past_requests(raw, past.waited_for)
        waiting = _sum(late).items - _sum(found).items
        return _removed(
            "requests",
            None,
            _sum(found),
            by=found,
            names=united_removal.of_server(shard, names),
            kept={WAITING: waiting},
        )

    def _remove_requests(
        self, past: PastRequests, partitions: Sequence[str], shard: str
    ) -> Removed:
        gone: dict[str, Amount] = {}
        pool = self._raws[shard]
        for name in partitions:
            with pool.transaction() as raw:
                retention.allow_long(raw)
                _add(gone, removal.remove_partition(raw, name, past.lines, past.settled))
        more = True
        for _ in range(CHUNKS):
            with pool.transaction() as raw:
                retention.allow_long(raw)
                some = removal.remove_requests(raw, past.lines, past.settled, most=MOST)
            _add(gone, some)
            more = _sum(some).items == MOST
            if not more:
                break
        if gone and not more:
            with pool.transaction() as raw:
                retention.allow_long(raw)
                removal.tidy(raw)
        names = united_removal.of_server(shard, partitions)
        return _removed("requests", None, _sum(gone), by=gone, names=names, more=more)

    def _bounded(self, days: Days, kind: Kind, pipeline: str | None, *, remove: bool) -> Removed:
        wanted, why = _BOUNDED[kind]
        below = self._below(days, kind, pipeline, remove=remove) if pipeline else ""
        kept = 0

        def some(warehouse: Connection) -> Amount:
            nonlocal kept
            bounds = days.bounds(warehouse, pipeline, kind, below=below)
            found, kept = retention.bounded(warehouse, wanted, bounds, most=MOST, remove=remove)
            if remove and wanted == "quarantine" and pipeline:
                retention.corrections(warehouse, pipeline, below)
            return found

        total, more = _chunks(self._warehouse, some, remove=remove)
        return _removed(kind, pipeline, total, kept={why: kept}, more=more)

    def _features(self, days: Days, pipeline: str, *, remove: bool) -> Removed:
        with self._warehouse.transaction() as warehouse:
            retention.allow_long(warehouse)
            bounds = days.bounds(warehouse, pipeline, "features")
            names, total = retention.features(warehouse, bounds, remove=remove)
        return _removed("features", pipeline, total, names=names)

    def _below(self, days: Days, kind: Kind, pipeline: str, *, remove: bool) -> str:
        """Below which id a pipeline's requests are gone everywhere, or would be after a run.

        Feature rows have days of their own beside that.
        """
        gone = before = first_id(days.before(pipeline, "requests"))
        for shard, pool in self._raws.items():
            lines = [] if remove else self._past(days, shard).lines
            with pool.transaction() as raw:
                retention.allow_long(raw)
                gone = min(gone, removal.least_kept(raw, pipeline, before, lines))
        own = first_id(days.before(pipeline, kind))
        return min(gone, own) if kind == "feature_rows" else gone

    def _past(self, days: Days, shard: str) -> PastRequests:
        raws = self._raws[shard]
        with self._warehouse.transaction() as warehouse, raws.transaction() as raw:
            return past_requests(warehouse, raw, days, shard=shard)


def _chunks(
    pool: PrimaryPool, some: Callable[[Connection], Amount], *, remove: bool
) -> tuple[Amount, bool]:
    """A few transactions' worth, and whether there is more; a count is one."""
    total = Amount()
    for _ in range(CHUNKS):
        with pool.transaction() as connection:
            retention.allow_long(connection)
            found = some(connection)
        total += found
        if not remove or found.items < MOST:
            return total, False
    return total, True


def _add(gone: dict[str, Amount], more: Mapping[str, Amount]) -> None:
    for name, amount in more.items():
        gone[name] = gone.get(name, Amount()) + amount


def _sum(amounts: Mapping[str, Amount]) -> Amount:
    return sum(amounts.values(), Amount())


def _removed(
    kind: Kind,
    pipeline: str | None,
    total: Amount,
    *,
    by: Mapping[str, Amount] | None = None,
    names: Sequence[str] = (),
    kept: Mapping[str, int] | None = None,
    more: bool = False,
) -> Removed:
    return Removed(
        kind=kind,
        pipeline=pipeline,
        items=total.items,
        rows=total.rows,
        size=total.size,
        by_pipeline={name: amount.items for name, amount in sorted((by or {}).items())},
        names=list(names),
        kept={why: count for why, count in (kept or {}).items() if count},
        more=more,
    )
