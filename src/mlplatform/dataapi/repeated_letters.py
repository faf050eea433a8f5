"""Dead letters that came again after a partition moved: each is counted on one server only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlplatform.database import raw_lookups, shards
from mlplatform.database.pools import PrimaryPool
from mlplatform.database.sessions import Connection
from mlplatform.database.shards import Repeated
from mlplatform.telemetry import logger

_log = logger("shards")


def settle(raws: Mapping[str, PrimaryPool], shard: str, *, most: int) -> int:
    """Ask the others whether they have what came again as letters of this server; returns how many.

    Only for who holds the lock of `repeats.alone`. Raises Unavailable when a server is away.
    """
    with raws[shard].transaction() as raw:
        again = {each.id: each for each in shards.repeated_letters(raw, most=most)}

    def read(raw: Connection, ids: Sequence[str]) -> Mapping[str, Repeated]:
        return {each: again[each] for each in shards.known_letters(raw, [again[i] for i in ids])}

    known = raw_lookups.find(raw_lookups.others(raws, shard), list(again), read)
    if again:
        where = {each: known[each].shard if each in known else None for each in again}
        with raws[shard].transaction() as raw:
            shards.settle_letters(raw, where)
        _log.info("dead letters came again", shard=shard, letters=len(again), known=len(known))
    return len(again)
