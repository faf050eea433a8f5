"""Requests by their ids, wherever they lie: all raw servers are asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from mlplatform.database import raw_requests
from mlplatform.database.pools import PrimaryPool
from mlplatform.database.raw_requests import Owner, RawRequest
from mlplatform.database.sessions import Connection
from mlplatform.errors import Unavailable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """Something, and the raw server that it lies on."""

    shard: str
    item: T


def require_all(raws: Mapping[str, PrimaryPool]) -> None:
    """Raise Unavailable, naming it, when one of them is away: before what is to be done on all."""
    for pool in raws.values():
        with pool.transaction() as raw:
            raw.execute("SELECT 1")


def others(raws: Mapping[str, PrimaryPool], shard: str) -> Mapping[str, PrimaryPool]:
    """All of these servers but one."""
    return {name: pool for name, pool in raws.items() if name != shard}


def owners(raws: Mapping[str, PrimaryPool], ids: Sequence[str]) -> dict[str, Found[Owner]]:
    """Pipeline and rows of those of these requests that are stored. Raises as `find`."""
    return find(raws, ids, raw_requests.owners)


def owners_within_reach(
    raws: Mapping[str, PrimaryPool], ids: Sequence[str]
) -> tuple[dict[str, Found[Owner]], bool]:
    """As `owners`, of the servers that are there, and whether all are.

    Raises Unavailable when one is away and the others have none of these requests.
    """
    found, away = _gather(raws, ids, raw_requests.owners)
    if away and not found:
        raise away[0]
    return found, not away


def by_id(raws: Mapping[str, PrimaryPool], ids: Sequence[str]) -> dict[str, Found[RawRequest]]:
    """Those of these requests that are stored. Raises as `find`."""

    def read(raw: Connection, some: Sequence[str]) -> Mapping[str, RawRequest]:
        return {each.request_id: each for each in raw_requests.by_id(raw, some)}

    return find(raws, ids, read)


def find(
    raws: Mapping[str, PrimaryPool],
    ids: Sequence[str],
    read: Callable[[Connection, Sequence[str]], Mapping[str, T]],
) -> dict[str, Found[T]]:
    """What `read` finds of each id, on the first server that has it.

    Raises Unavailable when a server is away and the others don't have them all: a request that is
    not found is one that nobody has.
    """
    found, away = _gather(raws, ids, read)
    if away and len(found) < len(set(ids)):
        raise away[0]
    return found


def _gather(
    raws: Mapping[str, PrimaryPool],
    ids: Sequence[str],
    read: Callable[[Connection, Sequence[str]], Mapping[str, T]],
) -> tuple[dict[str, Found[T]], list[Unavailable]]:
    """What is found, on the servers that are there; and how the others failed."""
    found: dict[str, Found[T]] = {}
    away: list[Unavailable] = []
    left = list(ids)
    for shard, pool in raws.items() if left else ():
        try:
            with pool.transaction() as raw:
                there = read(raw, left)
        except Unavailable as error:
            away.append(error)
            continue
        found |= {each: Found(shard, item) for each, item in there.items()}
        left = [each for each in left if each not in found]
    return found, away
