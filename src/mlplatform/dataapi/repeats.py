"""What came again after a partition moved: it counts on the server that had it first.

A request that another server has is dropped, one that none has becomes a row, and a letter of it
elsewhere is resolved. A dead letter stays where it is, dropped if another server has its record.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager

from mlplatform.dataapi import repeated_letters
from mlplatform.database import raw_lookups, shards
from mlplatform.database.pools import PrimaryPool
from mlplatform.telemetry import logger

MOST = 5_000
"""Requests, or letters, that are looked up at once."""

_log = logger("shards")
Raws = Mapping[str, PrimaryPool]


def settle(raws: Raws, warehouse: PrimaryPool) -> None:
    """Settle all that came again on these servers; several at once do no harm.

    Raises Unavailable when one is away.
    """
    for shard in raws if len(raws) > 1 else ():
        more = True
        while more:
            with alone(raws, warehouse):
                more = MOST in (_rows(raws, shard), repeated_letters.settle(raws, shard, most=MOST))


@contextmanager
def alone(raws: Raws, warehouse: PrimaryPool) -> Generator[None]:
    """Nobody else settles, or makes rows of letters: what no server has now, none gets meanwhile.

    A lock in the warehouse, where there are several raw servers. Raises TryLater when it takes long
    to get it.
    """
    if len(raws) == 1:
        yield
        return
    with warehouse.transaction() as connection:
        shards.lock_repeats(connection)
        yield


def _rows(raws: Raws, shard: str) -> int:
    with raws[shard].transaction() as raw:
        again = shards.repeated(raw, most=MOST)
    known = raw_lookups.owners(raw_lookups.others(raws, shard), [each.id for each in again])
    nowhere = [each for each in again if each.id not in known]
    letters = set[str]()
    # The letters first: cut short in between, what was put aside is still there, and settled again.
    for pool in raw_lookups.others(raws, shard).values() if nowhere else ():
        with pool.transaction() as raw:
            letters |= shards.became_rows(raw, nowhere, shard=shard)
    if len(letters) < len(nowhere):
        _log.error("numbers were used twice", shard=shard, requests=len(nowhere) - len(letters))
    if again:
        with raws[shard].transaction() as raw:
            ids = [each.id for each in nowhere]
            shards.settle_repeated(raw, elsewhere=list(known), nowhere=ids)
    return len(again)
