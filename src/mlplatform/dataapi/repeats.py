"""What came again after a partition moved: dropped where another server has it, else stored."""

from __future__ import annotations

from collections.abc import Mapping

from mlplatform.database import raw_lookups, shards
from mlplatform.database.pools import PrimaryPool
from mlplatform.telemetry import logger

MOST = 5_000
"""Requests that are looked up at once."""

_log = logger("shards")


def settle(raws: Mapping[str, PrimaryPool]) -> None:
    """Settle all that was put aside on these servers; several at once do no harm.

    Raises Unavailable when one is away.
    """
    for shard in raws if len(raws) > 1 else ():
        while _some(raws, shard) == MOST:
            pass


def _some(raws: Mapping[str, PrimaryPool], shard: str) -> int:
    with raws[shard].transaction() as raw:
        ids = shards.repeated(raw, most=MOST)
    others = {name: other for name, other in raws.items() if name != shard}
    known = raw_lookups.owners(others, ids)
    nowhere = [each for each in ids if each not in known]
    if nowhere:
        _log.error("numbers were used twice", shard=shard, requests=len(nowhere))
    if ids:
        with raws[shard].transaction() as raw:
            shards.settle_repeated(raw, elsewhere=list(known), nowhere=nowhere)
    return len(ids)
