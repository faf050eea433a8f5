"""What the balance counts: on a standby of the warehouse, and on one of each raw server."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Literal

from mlplatform.contracts.balance import BalanceDifference, RequestsBalance
from mlplatform.contracts.number_ranges import without
from mlplatform.dataapi import united
from mlplatform.dataapi.pools import Pools
from mlplatform.database import balance, kept_balance, united_gaps
from mlplatform.database.balance import CurrentSet, Doubles, Gap, OutboxCount, RawRows, Warehouse
from mlplatform.database.kept_balance import NOTHING, KeptRaw
from mlplatform.database.pools import PrimaryPool, StandbyRead
from mlplatform.database.progress import Cursor
from mlplatform.database.sessions import Connection
from mlplatform.errors import StandbyLagging

Reads = Mapping[str, StandbyRead]
"""A read of each raw server, by its name."""


@dataclass(frozen=True)
class Featured:
    """What the warehouse holds, of one moment: rows, etl's cursors, current digests."""

    lines: Sequence[Warehouse]
    passed: Sequence[Cursor]
    sets: Sequence[CurrentSet]


@dataclass(frozen=True)
class Counts:
    """What the raw servers hold."""

    rows: Sequence[RawRows]
    outboxes: Sequence[OutboxCount]
    gaps: Sequence[Gap]
    doubles: Sequence[Doubles]
    totals: RequestsBalance

    def whole_up_to(self) -> dict[str, int]:
        """Outbox -> up to this number none is missing."""
        first: dict[str, int] = {}
        for gap in self.gaps:
            first[gap.outbox_id] = min(gap.first, first.get(gap.outbox_id, gap.first))
        return {
            each.outbox_id: first.get(each.outbox_id, each.highest + 1) - 1
            for each in self.outboxes
        }

    def missing(self, outbox: OutboxCount) -> list[tuple[int, int]]:
        """Numbers below the highest of an outbox that are nowhere."""
        return [(gap.first, gap.last) for gap in self.gaps if gap.outbox_id == outbox.outbox_id]


@contextmanager
def raw_reads(pools: Pools, passed: Sequence[Cursor]) -> Generator[Reads]:
    """Reads of all raw servers.

    Raises StandbyLagging when one lacks what etl has passed (`passed`), and its primary does not.
    """
    with ExitStack() as stack:
        reads: dict[str, StandbyRead] = {}
        for shard, replica in pools.raw_replicas.items():
            reads[shard] = stack.enter_context(replica.read())
            _require(pools.raws[shard], reads[shard], _of(passed, shard))
        yield reads


def _require(primary: PrimaryPool, read: StandbyRead, passed: Sequence[Cursor]) -> None:
    """Raises StandbyLagging when rows that etl has passed are missing here only."""
    missing = balance.beyond(read.connection, passed)
    if not missing:
        return
    with primary.transaction() as raw:
        lost = balance.beyond(raw, passed)
    if lost < missing:
        raise StandbyLagging(
            f"the standby {read.server} does not hold yet what etl has passed", retry_after_s=1.0
        )


def count(
    reads: Reads, pipeline: str | None, seen: Featured, kept: Mapping[str, KeptRaw] | None = None
) -> Counts:
    """Count what the raw servers hold. `kept`: what holds of each, and need not be counted."""
    known = kept or {}
    servers = {shard: read.connection for shard, read in reads.items()}
    rows = united.rows(
        line
        for shard, raw in servers.items()
        for line in balance.raw_rows(
            raw, pipeline, _of(seen.passed, shard), seen.sets, known.get(shard, NOTHING)
        )
    )
    found = [
        (raw, balance.outboxes(raw, known.get(shard, NOTHING))) for shard, raw in servers.items()
    ]
    outboxes = united.outboxes(one for _, own in found for one in own)
    whole = kept_balance.known([known.get(shard, NOTHING) for shard in servers])
    return Counts(
        rows,
        outboxes,
        _gaps(list(servers.values()), outboxes, whole),
        [one for raw, own in found for one in balance.doubles(raw, own)],
        united.totals([balance.totals(raw, own) for raw, own in found]),
    )


def _of(passed: Sequence[Cursor], shard: str) -> list[Cursor]:
    return [cursor for cursor in passed if cursor.shard == shard]


def _gaps(
    servers: Sequence[Connection], outboxes: Sequence[OutboxCount], whole: Mapping[str, int]
) -> Sequence[Gap]:
    """Numbers that no server has; of one server it tells that itself."""
    if len(servers) == 1:
        return balance.gaps(servers[0], outboxes, whole)
    highest = {each.outbox_id: each.highest for each in outboxes}
    return united_gaps.gaps(servers, highest, whole)


def differences(
    kept: tuple[Featured, Counts], found: tuple[Featured, Counts]
) -> list[BalanceDifference]:
    """Where counting all gives other numbers than counting from what was kept."""
    return [
        *_of_rows("feature rows", *(_featured(one) for one, _ in (kept, found))),
        *_of_rows("raw rows", *(_raw(one) for _, one in (kept, found))),
        *_of_outboxes(kept[1], found[1]),
    ]


def _featured(seen: Featured) -> dict[str, int]:
    return {each.pipeline: each.featured for each in seen.lines}


def _raw(counts: Counts) -> dict[str, int]:
    return {each.pipeline: each.rows for each in counts.rows}


def _of_rows(
    what: Literal["raw rows", "feature rows"], kept: Mapping[str, int], found: Mapping[str, int]
) -> list[BalanceDifference]:
    return [
        BalanceDifference(of=name, what=what, kept=kept.get(name, 0), found=found.get(name, 0))
        for name in sorted(kept.keys() | found.keys())
        if kept.get(name, 0) != found.get(name, 0)
    ]


def _of_outboxes(kept: Counts, found: Counts) -> list[BalanceDifference]:
    now = {each.outbox_id: each for each in found.outboxes}
    differences = []
    for before in kept.outboxes:
        after = now.get(before.outbox_id) or replace(before, stored=0, dead_lettered=0, highest=0)
        above = (after.highest + 1, before.highest)
        gone = [*found.missing(after), *([above] if above[0] <= above[1] else [])]
        numbers = without(gone, kept.missing(before))
        counts = before.stored + before.dead_lettered, after.stored + after.dead_lettered
        if numbers or counts[0] != counts[1]:
            differences.append(
                BalanceDifference(
                    of=before.outbox_id,
                    what="records",
                    kept=counts[0],
                    found=counts[1],
                    numbers=numbers,
                )
            )
    return differences
