"""What was removed on several raw servers as what was removed on one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlplatform.contracts.removed import Removed
from mlplatform.contracts.shards import FIRST


def united(parts: Sequence[Removed]) -> Removed:
    """All of it, of one kind."""
    counted = [part.by_pipeline for part in parts]
    kept = [part.kept for part in parts]
    return parts[0].model_copy(
        update={
            "items": sum(part.items for part in parts),
            "rows": sum(part.rows for part in parts),
            "size": sum(part.size for part in parts),
            "by_pipeline": {
                name: sum(each.get(name, 0) for each in counted) for name in _names(counted)
            },
            "names": [name for part in parts for name in part.names],
            "kept": {why: sum(each.get(why, 0) for each in kept) for why in _names(kept)},
            "more": any(part.more for part in parts),
        }
    )


def of_server(shard: str, tables: Sequence[str]) -> list[str]:
    """Tables of a raw server as people read them: each has one of each month."""
    return [name if shard == FIRST else f"{shard}: {name}" for name in tables]


def _names(counted: Sequence[Mapping[str, int]]) -> list[str]:
    return sorted({name for each in counted for name in each})
