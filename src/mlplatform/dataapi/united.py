"""Counts of several raw servers as those of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from mlplatform.contracts.balance import RequestsBalance
from mlplatform.contracts.dead_letters import LetterCount
from mlplatform.database.balance import OutboxCount, RawRows


def letters(found: Iterable[LetterCount]) -> list[LetterCount]:
    """By reason, the most frequent first."""
    counts: dict[tuple[str, str | None, str], LetterCount] = {}
    for each in found:
        key = (each.kind, each.pipeline, each.reason)
        known = counts.get(key)
        counts[key] = each if known is None else _both(known, each)
    return sorted(counts.values(), key=lambda each: (-each.letters, -each.newest_id))


def _both(one: LetterCount, other: LetterCount) -> LetterCount:
    newest = max(one, other, key=lambda each: each.newest)
    return newest.model_copy(update={"letters": one.letters + other.letters})


def outboxes(found: Iterable[OutboxCount]) -> list[OutboxCount]:
    """What is stored of an outbox lies on all servers; what it said of itself on the first."""
    counts: dict[str, OutboxCount] = {}
    for each in found:
        known = counts.get(each.outbox_id)
        counts[each.outbox_id] = each if known is None else _outbox(known, each)
    return list(counts.values())


def _outbox(one: OutboxCount, other: OutboxCount) -> OutboxCount:
    said = one if one.seen_at is not None else other
    return replace(
        said,
        accepted=max(one.accepted, other.accepted),
        stored=one.stored + other.stored,
        dead_lettered=one.dead_lettered + other.dead_lettered,
        highest=max(one.highest, other.highest),
        removed=one.removed + other.removed,
    )


def rows(found: Iterable[RawRows]) -> list[RawRows]:
    """By pipeline."""
    counts: dict[str, RawRows] = {}
    for each in found:
        known = counts.get(each.pipeline, RawRows(each.pipeline, 0, 0))
        counts[each.pipeline] = RawRows(
            each.pipeline,
            known.rows + each.rows,
            known.passed + each.passed,
            known.removed + each.removed,
        )
    return [counts[name] for name in sorted(counts)]


def totals(found: Sequence[RequestsBalance]) -> RequestsBalance:
    """Over all servers."""
    return RequestsBalance(
        stored=sum(each.stored for each in found),
        dead_lettered=sum(each.dead_lettered for each in found),
    )
