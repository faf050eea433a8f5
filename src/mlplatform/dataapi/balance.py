"""The balance.

What was accepted is stored, dead-lettered or in flight; what is raw is featured, quarantined,
dropped or waiting.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from threading import Lock

from mlplatform.access import Caller
from mlplatform.contracts.balance import BalanceSheet, OutboxBalance, RowsBalance
from mlplatform.contracts.outbox_report import DamagedRange
from mlplatform.dataapi import rights, united
from mlplatform.dataapi.audit import AuditLog
from mlplatform.dataapi.pools import Pools
from mlplatform.database import balance, united_gaps
from mlplatform.database.balance import Doubles, Gap, OutboxCount, RawRows, Warehouse
from mlplatform.database.pools import StandbyRead
from mlplatform.database.progress import Cursor
from mlplatform.database.sessions import Connection
from mlplatform.errors import Overloaded, StandbyLagging

MAY = rights.VIEW_BALANCE.roles


class Balance:
    """Handler of the balance. Safe to share between threads."""

    def __init__(self, pools: Pools, audit: AuditLog, *, silent_s: float) -> None:
        self._pools = pools
        self._audit = audit
        self._silent = timedelta(seconds=silent_s)
        self._counting = Lock()

    def take(self, caller: Caller, *, pipeline: str | None) -> BalanceSheet:
        """Count everything.

        `pipeline` bounds the rows; outboxes carry the requests of all pipelines.

        It reads all rows, so this process counts one at a time: raises Overloaded for the others.
        StandbyLagging when the standby of the raw database has not replayed what etl has passed.
        """
        with self._audit.viewing(caller, pipeline or "balance", roles=MAY, pipeline=pipeline):
            if not self._counting.acquire(blocking=False):
                raise Overloaded("another balance is being counted", retry_after_s=1.0)
            try:
                sheet = self._count(pipeline)
            finally:
                self._counting.release()
        mine = {name: line for name, line in sheet.rows.items() if caller.may(MAY, name)}
        return sheet.model_copy(update={"rows": mine})

    def _count(self, pipeline: str | None) -> BalanceSheet:
        with self._pools.warehouse_replica.read() as read:
            warehouse, passed, sets = balance.warehouse(read, pipeline)
        with ExitStack() as reads:
            servers: dict[str, Connection] = {}
            for shard, replica in self._pools.raw_replicas.items():
                read = reads.enter_context(replica.read())
                self._require(read, _of(passed, shard), shard)
                servers[shard] = read.connection
            rows = united.rows(
                line
                for shard, server in servers.items()
                for line in balance.raw_rows(server, pipeline, _of(passed, shard), sets)
            )
            found = [(server, balance.outboxes(server)) for server in servers.values()]
            outboxes = united.outboxes(one for _, own in found for one in own)
            gaps = _gaps(list(servers.values()), outboxes)
            doubles = [one for server, own in found for one in balance.doubles(server, own)]
            totals = united.totals([balance.totals(server, own) for server, own in found])
        lines = self._lines(outboxes, gaps, doubles)
        return BalanceSheet(outboxes=lines, requests=totals, rows=rows_balance(rows, warehouse))

    def _lines(
        self, outboxes: Sequence[OutboxCount], gaps: Sequence[Gap], doubles: Sequence[Doubles]
    ) -> list[OutboxBalance]:
        now = datetime.now(UTC)
        return [
            outbox_balance(
                item,
                [gap for gap in gaps if gap.outbox_id == item.outbox_id],
                now,
                self._silent,
                [each for each in doubles if each.outbox_id == item.outbox_id],
            )
            for item in outboxes
        ]

    def _require(self, read: StandbyRead, passed: Sequence[Cursor], shard: str) -> None:
        """Raises StandbyLagging when rows that etl has passed are missing here only."""
        missing = balance.beyond(read.connection, passed)
        if not missing:
            return
        with self._pools.raws[shard].transaction() as primary:
            lost = balance.beyond(primary, passed)
        if lost < missing:
            raise StandbyLagging(
                f"the standby {read.server} does not hold yet what etl has passed",
                retry_after_s=1.0,
            )


def _of(passed: Sequence[Cursor], shard: str) -> list[Cursor]:
    return [cursor for cursor in passed if cursor.shard == shard]


def _gaps(servers: Sequence[Connection], outboxes: Sequence[OutboxCount]) -> Sequence[Gap]:
    """Numbers that no server has; of one server it tells that itself."""
    if len(servers) == 1:
        return balance.gaps(servers[0], outboxes)
    return united_gaps.gaps(servers, {each.outbox_id: each.highest for each in outboxes})


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
