"""Ranges of removed numbers where there are several raw servers.

Each server has every other number or so of an outbox, so its ranges would never touch. Where what
lies between two of them was removed elsewhere they become one, which keeps the counts of its own
records. So the ranges of two servers may overlap: to be counted, they are joined.
"""

from __future__ import annotations

from collections.abc import Mapping

from mlplatform.contracts.number_ranges import joined
from mlplatform.database import queries, retention
from mlplatform.database.pools import PrimaryPool

SQL = queries.load("removal")
WINDOW = 262_144
"""Numbers whose ranges are joined at once: this process holds those of all servers."""


def unite(raws: Mapping[str, PrimaryPool]) -> None:
    """Join the ranges of each server over what was removed on the others."""
    for shard, pool in raws.items():
        others = [other for name, other in raws.items() if name != shard]
        with pool.transaction() as raw:
            retention.allow_long(raw)
            broken = raw.execute(SQL["broken_windows"], {"window": WINDOW}).fetchall()
        for box, window in broken if others else ():
            place = {"outbox": box, "low": window * WINDOW, "high": (window + 1) * WINDOW}
            elsewhere = joined(each for other in others for each in _ranges(other, place))
            ends = {
                "firsts": [first for first, _ in elsewhere],
                "lasts": [last for _, last in elsewhere],
            }
            with pool.transaction() as raw:
                retention.allow_long(raw)
                raw.execute(SQL["join_removed"], {**place, **ends})


def _ranges(pool: PrimaryPool, place: Mapping[str, object]) -> list[tuple[int, int]]:
    with pool.transaction() as raw:
        return raw.execute(SQL["ranges_in"], place).fetchall()
