"""Numbers without a record, and what explains them."""

from __future__ import annotations

from collections.abc import Sequence

from mlplatform.contracts.evidence import ProvenOutbox
from mlplatform.evidence.findings import Explanation


def explained(
    outbox: ProvenOutbox, first: int, last: int
) -> list[tuple[int, int, Explanation | None, str]]:
    """Missing numbers in ranges, each with what explains it, if anything does."""
    known: list[tuple[int, int, Explanation, str]] = [
        (each.first, each.last, "damaged", f"by the disk of serving: {each.file}")
        for each in outbox.damaged
    ]
    known += [(start, end, "retention", "past its days") for start, end in outbox.removed]
    found: list[tuple[int, int, Explanation | None, str]] = []
    at = first
    for low, high, kind, why in sorted(known):
        start, end = max(at, low), min(last, high)
        if start > end:
            continue
        if start > at:
            found.append((at, start - 1, None, ""))
        found.append((start, end, kind, why))
        at = end + 1
    if at <= last:
        if last <= outbox.given_up:
            found.append((at, last, "given up", "the queue was reset before it was stored"))
        else:
            found.append((at, last, None, ""))
    return found


def ranges(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending numbers as first and last of each run."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found
