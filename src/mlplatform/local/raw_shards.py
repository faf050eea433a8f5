"""Several raw servers in a local stack: each further one is a primary and a standby of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlplatform.contracts.shards import FIRST, names, number
from mlplatform.errors import Refused
from mlplatform.local.ports import DEFAULTS
from mlplatform.local.servers.postgres import LocalPostgres

MOST = 8
"""Each is two servers and a consumer: beyond this a laptop is the wrong place."""


def count(home: Path, asked: int | None, *, before: int) -> int:
    """How many raw servers the stack has: those asked for, else as many as before.

    Raises Refused for fewer than there were: their rows would be missing.
    """
    there = [int(each.name.removeprefix("postgres-raw-")) for each in home.glob("postgres-raw-*")]
    known = max([before, *there])
    if asked is None:
        return known
    if asked < known:
        raise Refused(
            f"this stack has {known} raw servers, whose rows would be missing",
            field="--raw-shards",
            fix=f"leave it out, or ask for {known} or more",
        )
    return asked


def ports(servers: int, before: Mapping[str, int]) -> dict[str, int]:
    """The ports of a stack with so many raw servers: those it had before, else the usual ones."""
    further = {
        f"{role}-{shard}": DEFAULTS[role] + step * (number(shard) - 1)
        for shard in names(servers)[1:]
        for role, step in (("primary", 2), ("standby", 2), ("consumer", 10))
    }
    return {**DEFAULTS, **further, **before}


def further(
    first: LocalPostgres, servers: int, chosen: Mapping[str, int]
) -> dict[str, LocalPostgres]:
    """The further servers by name, beside the first, with its programs and passwords."""
    return {
        shard: first.beside(
            shard,
            primary_port=chosen[f"primary-{shard}"],
            standby_port=chosen[f"standby-{shard}"],
        )
        for shard in names(servers)[1:]
    }


def consumer(shard: str) -> str:
    """The name of a server's consumer among the processes."""
    return "consumer" if shard == FIRST else f"consumer-{shard}"
