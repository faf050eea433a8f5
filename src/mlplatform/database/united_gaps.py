"""Missing numbers of outboxes whose records lie on several raw servers.

Each server has every other number or so: what is a gap on one lies on another. So numbers are
counted in blocks, on all servers, and only blocks that are not full are looked at one by one. A
number that two servers have could make up for one that none has: so the numbers are summed up too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from mlplatform.contracts.number_ranges import joined
from mlplatform.database import queries
from mlplatform.database.balance import MOST_GAPS, Gap
from mlplatform.database.sessions import Connection

SQL = queries.load("united_gaps")
BLOCK = 16_384
"""Numbers of a block: large enough that few are counted, small enough to be looked at."""
Ranges = Sequence[tuple[int, int]]


def gaps(
    servers: Sequence[Connection],
    highest: Mapping[str, int],
    known: Mapping[str, int] | None = None,
) -> list[Gap]:
    """Ranges below the highest number of each of these outboxes that no server has.

    `highest`: outbox -> its highest number on any server. `known`: outbox -> up to there some
    server has every number. At most MOST_GAPS ranges each.
    """
    above = {box: (known or {}).get(box, 0) for box in highest}
    if not highest:
        return []
    counts: Counter[tuple[str, int]] = Counter()
    sums: Counter[tuple[str, int]] = Counter()
    removed: dict[str, list[tuple[int, int]]] = {}
    values = {"outboxes": list(highest), "above": list(above.values()), "block": BLOCK}
    for each in servers:
        for box, block, count, total in each.execute(SQL["block_counts"], values).fetchall():
            counts[box, block] += count
            sums[box, block] += total
        for box, first, last in each.execute(SQL["removed"], values).fetchall():
            removed.setdefault(box, []).append((first, last))
    for box, ranges in removed.items():
        for start, last in joined(each for each in ranges if each[1] > above[box]):
            first = max(start, above[box] + 1)
            for block in range(first // BLOCK, last // BLOCK + 1):
                low, high = max(first, block * BLOCK), min(last, (block + 1) * BLOCK - 1)
                counts[box, block] += high - low + 1
                sums[box, block] += _sum(low, high)
    found: list[Gap] = []
    for box, top in highest.items():
        short = [
            (first, last)
            for first, last in _blocks(above[box], top)
            for each in [(box, first // BLOCK)]
            if (counts[each], sums[each]) != (last - first + 1, _sum(first, last))
        ]
        found += _of(servers, box, short, removed.get(box, ()))
    return found


def _sum(first: int, last: int) -> int:
    return (first + last) * (last - first + 1) // 2


def _of(servers: Sequence[Connection], box: str, short: Ranges, removed: Ranges) -> list[Gap]:
    """The gaps in blocks of an outbox that may have some."""
    found: list[tuple[int, int]] = []
    for first, last in short:
        missing = _missing(servers, box, first, last, removed)
        if found and missing and found[-1][1] + 1 == missing[0][0]:
            missing[0] = (found.pop()[0], missing[0][1])
        found += missing
        if len(found) > MOST_GAPS:
            break
    return [Gap(box, *each, _since(servers, box, each[1] + 1)) for each in found[:MOST_GAPS]]


def _blocks(above: int, top: int) -> Iterator[tuple[int, int]]:
    """First and last number of each block above a number and up to `top`."""
    for block in range((above + 1) // BLOCK, top // BLOCK + 1):
        first, last = max(above + 1, block * BLOCK), min(top, (block + 1) * BLOCK - 1)
        if first <= last:
            yield first, last


def _missing(
    servers: Sequence[Connection], box: str, first: int, last: int, removed: Ranges
) -> list[tuple[int, int]]:
    """The ranges of one block that no server has."""
    there = {
        number for low, high in removed for number in range(max(low, first), min(high, last) + 1)
    }
    values = {"outbox": box, "first": first, "last": last}
    for each in servers:
        there |= {number for (number,) in each.execute(SQL["numbers"], values).fetchall()}
    found: list[tuple[int, int]] = []
    for number in range(first, last + 1):
        if number in there:
            continue
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def _since(servers: Sequence[Connection], box: str, number: int) -> datetime:
    """When the number above a gap was stored."""
    values = {"outbox": box, "number": number}
    found = [each.execute(SQL["stored_at"], values).fetchone() for each in servers]
    moments: list[datetime] = [row[0] for row in found if row and row[0] is not None]
    return min(moments)
