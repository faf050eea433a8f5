"""The balance.

What was accepted is stored, dead-lettered or in flight; what is raw is featured, quarantined,
dropped or waiting.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Lock

from mlplatform.access import Caller, Role
from mlplatform.contracts.balance import BalanceSheet, OutboxBalance, RowsBalance
from mlplatform.contracts.outbox_report import DamagedRange
from mlplatform.dataapi import rights
from mlplatform.dataapi.audit import AuditLog
from mlplatform.dataapi.balance_counts import Counts, Featured, count, differences, raw_reads
from mlplatform.dataapi.pools import Pools
from mlplatform.database import balance, kept_balance, retention
from mlplatform.database.balance import Doubles, Gap, OutboxCount, RawRows, Warehouse
from mlplatform.database.kept_balance import CountedProof
from mlplatform.errors import Overloaded
from mlplatform.telemetry import logger

MAY = rights.VIEW_BALANCE.roles
_log = logger("dataapi")


class Balance:
    """Handler of the balance. Safe to share between threads."""

    def __init__(self, pools: Pools, audit: AuditLog, *, silent_s: float) -> None:
        self._pools = pools
        self._audit = audit
        self._silent = timedelta(seconds=silent_s)
        self._counting = Lock()

    def take(self, caller: Caller, *, pipeline: str | None) -> BalanceSheet:
        """Count what came since the last proof; everything where there is none that holds.

        `pipeline` bounds the rows; outboxes carry the requests of all pipelines.

        It may read all rows, so this process counts one at a time: raises Overloaded for the
        others. StandbyLagging when the standby of the raw database has not replayed what etl has
        passed.
        """
        with (
            self._audit.viewing(caller, pipeline or "balance", roles=MAY, pipeline=pipeline),
            self._alone(),
        ):
            sheet = self._count(pipeline)
        return _seen_by(caller, sheet, MAY)

    def prove(self, caller: Caller) -> BalanceSheet:
        """Count everything, say where that differs from what was kept, and keep it.

        Raises as `take` does.
        """
        roles = rights.PROVE_BALANCE.roles
        with (
            self._audit.access(
                caller, rights.PROVE_BALANCE.action, "balance", roles=roles, pipeline=None
            ) as entry,
            self._alone(),
        ):
            sheet = self._prove()
            entry.detail = {
                "differences": [each.model_dump(mode="json") for each in sheet.differences]
            }
        return _seen_by(caller, sheet, roles)

    @contextmanager
    def _alone(self) -> Generator[None]:
        if not self._counting.acquire(blocking=False):
            raise Overloaded("another balance is being counted", retry_after_s=1.0)
        try:
            yield
        finally:
            self._counting.release()

    def _count(self, pipeline: str | None) -> BalanceSheet:
        now = datetime.now(UTC)
        with self._pools.warehouse_replica.read() as read:
            features = kept_balance.of_features(read.connection)
            seen = Featured(*balance.warehouse(read, pipeline, features))
        with raw_reads(self._pools, seen.passed) as reads:
            kept = {shard: kept_balance.of_raw(each.connection) for shard, each in reads.items()}
            counts = count(reads, pipeline, seen, kept)
        times = [each.proven_at for each in features.values()]
        times += [each.proven_at for each in kept.values() if each.proven_at is not None]
        return self._sheet(seen, counts, min(times, default=now))

    def _prove(self) -> BalanceSheet:
        now = datetime.now(UTC)
        with self._pools.warehouse_replica.read() as read:
            retention.allow_long(read.connection)
            features = kept_balance.of_features(read.connection)
            before = Featured(*balance.warehouse(read, None, features))
            seen = Featured(*balance.warehouse(read, None))
            featured = {each.pipeline: each.featured for each in seen.lines}
            proof = kept_balance.prove_features(read, featured, now)
        with raw_reads(self._pools, seen.passed) as reads:
            for each in reads.values():
                retention.allow_long(each.connection)
            kept = {shard: kept_balance.of_raw(each.connection) for shard, each in reads.items()}
            known = count(reads, None, before, kept)
            counts = count(reads, None, seen)
            whole = counts.whole_up_to()
            proofs = {
                shard: kept_balance.prove_raw(each, whole, now) for shard, each in reads.items()
            }
        self._keep(proof, proofs)
        sheet = self._sheet(seen, counts, now)
        found = differences((before, known), (seen, counts))
        return sheet.model_copy(update={"differences": found})

    def _keep(self, features: CountedProof, raws: Mapping[str, CountedProof]) -> None:
        """Raises Unavailable when a primary is away; what was kept before stays there."""
        kept = {}
        for shard, proof in raws.items():
            with self._pools.raws[shard].transaction() as raw:
                kept[shard] = kept_balance.keep_raw(raw, proof)
        with self._pools.warehouse.transaction() as warehouse:
            kept["warehouse"] = kept_balance.keep_features(warehouse, features)
        lost = [server for server, done in kept.items() if not done]
        if lost:
            _log.warning("the proof of the balance is not kept after a failover", servers=lost)

    def _sheet(self, seen: Featured, counts: Counts, proven_at: datetime) -> BalanceSheet:
        return BalanceSheet(
            outboxes=self._lines(counts),
            requests=counts.totals,
            rows=rows_balance(counts.rows, seen.lines),
            proven_at=proven_at,
        )

    def _lines(self, counts: Counts) -> list[OutboxBalance]:
        now = datetime.now(UTC)
        return [
            outbox_balance(
                item,
                [gap for gap in counts.gaps if gap.outbox_id == item.outbox_id],
                now,
                self._silent,
                [each for each in counts.doubles if each.outbox_id == item.outbox_id],
            )
            for item in counts.outboxes
        ]


def _seen_by(caller: Caller, sheet: BalanceSheet, roles: Sequence[Role]) -> BalanceSheet:
    """Without the rows of pipelines that the caller may not see."""
    rows = {name: line for name, line in sheet.rows.items() if caller.may(roles, name)}
    differences = [
        each for each in sheet.differences if each.what == "records" or caller.may(roles, each.of)
    ]
    return sheet.model_copy(update={"rows": rows, "differences": differences})


def outbox_balance(
    count: OutboxCount,
    gaps: Sequence[Gap],
    now: datetime,
    silent: timedelta,
    doubles: Sequence[Doubles] = (),
) -> OutboxBalance:
    """The line of one outbox.

    Numbers above the highest stored one are in flight, but for those that its disk damaged, or that
    the queue had acknowledged before it was reset. Of an outbox that has said nothing for `silent`,
    or has ended, those that the queue had not acknowledged are missing: what wrote them is gone,
    and its disk with it, until it is heard of again.
    """
    missing = [(gap.first, gap.last) for gap in gaps]
    below = _size(missing)
    damaged = [DamagedRange.model_validate(each) for each in count.damaged]
    quiet = count.closed or count.seen_at is None or now - count.seen_at > silent
    missing += _missing_above(count, damaged, quiet=quiet)
    surplus = count.stored + count.dead_lettered - (count.highest - below)
    return OutboxBalance(
        **vars(count)  # but `highest` and `given_up`, which are not part of the answer
        | {"damaged": [each for each in damaged if _meets(each, missing)]},
        in_flight=count.accepted - count.highest + below - _size(missing),
        missing=missing,
        # With more gaps than are listed it can't be told; these are an alarm by themselves.
        surplus=surplus if len(gaps) < balance.MOST_GAPS else 0,
        used_twice=[(each.first, each.last) for each in doubles],
        oldest_gap_s=max(((now - gap.since).total_seconds() for gap in gaps), default=0.0),
    )


def _missing_above(
    count: OutboxCount, damaged: Sequence[DamagedRange], *, quiet: bool
) -> list[tuple[int, int]]:
    """What is missing of the numbers above the highest stored one."""
    top = count.accepted
    if quiet:
        top = min(top, max(count.highest, count.acknowledged))
    given_up = max(count.highest, min(count.given_up, top))
    found = [(count.highest + 1, given_up)] if given_up > count.highest else []
    found += _never_to_come(damaged, given_up, top)
    return found + ([(top + 1, count.accepted)] if top < count.accepted else [])


def _never_to_come(
    damaged: Sequence[DamagedRange], highest: int, top: int
) -> list[tuple[int, int]]:
    """The damaged ones among the numbers above `highest`, up to `top`."""
    found: list[tuple[int, int]] = []
    for each in sorted(damaged, key=lambda one: one.first):
        first, last = max(each.first, highest + 1), min(each.last, top)
        if first <= last:
            found.append((first, last))
            highest = last
    return found


def _meets(damaged: DamagedRange, missing: Sequence[tuple[int, int]]) -> bool:
    return any(first <= damaged.last and damaged.first <= last for first, last in missing)


def _size(ranges: Sequence[tuple[int, int]]) -> int:
    return sum(last - first + 1 for first, last in ranges)


def rows_balance(raw: Sequence[RawRows], warehouse: Sequence[Warehouse]) -> dict[str, RowsBalance]:
    """The line of each pipeline; `unaccounted` must be 0.

    Rows of a pipeline that was never applied are not applicable. Rows that etl reads again (the
    target changed) lie behind its cursor and have their feature rows already: these don't wait.
    What retention removed counts as it did before, on both sides.
    """
    applied = {item.pipeline: item for item in warehouse}
    counts = {item.pipeline: item for item in raw}
    lines: dict[str, RowsBalance] = {}
    for name in sorted(applied.keys() | counts.keys()):
        rows, known = counts.get(name, RawRows(name, 0, 0)), applied.get(name)
        found = known or Warehouse(name, 0, 0)
        settled = found.featured + found.quarantined + found.dropped
        settled += found.forgotten + found.removed
        passed = rows.passed + rows.removed
        again = min(max(0, settled - passed), rows.rows - rows.passed)
        lines[name] = RowsBalance(
            raw=rows.rows,
            removed=rows.removed,
            results_removed=found.removed,
            featured=found.featured,
            quarantined=found.quarantined,
            dropped=found.dropped,
            forgotten=found.forgotten,
            waiting=rows.rows - rows.passed - again if known else 0,
            not_applicable=0 if known else rows.rows,
            unaccounted=passed + again - settled if known else 0,
        )
    return lines
