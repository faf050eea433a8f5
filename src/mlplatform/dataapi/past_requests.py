"""Which requests may go: past their days, and passed by every features digest in use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mlplatform.contracts.shards import FIRST
from mlplatform.dataapi.retention_days import Days
from mlplatform.database import feature_sets, progress, raw_requests, removal, retention
from mlplatform.database.progress import Cursor
from mlplatform.database.removal import Line, Settled, first_id
from mlplatform.database.sessions import Connection

IMPORTS = "import:"


@dataclass(frozen=True)
class PastRequests:
    """`lines` may go now; `settled` says how far every digest is in them."""

    lines: Sequence[Line]
    settled: Sequence[Settled]

    @property
    def waited_for(self) -> Sequence[Line]:
        """The same without regard to etl."""
        return [replace(line, below=removal.ALL) for line in self.lines]


def past_requests(
    warehouse: Connection, raw: Connection, days: Days, *, shard: str = FIRST
) -> PastRequests:
    """What may go of all pipelines that are under no hold, of one raw server.

    etl's cursors are read first: where rows were stored below one since, it has not been there.
    """
    cursors = [each for each in progress.all_cursors(warehouse) if each.shard == shard]
    used: dict[str, list[str]] = {}
    for each in feature_sets.in_use(warehouse):
        used.setdefault(each.pipeline, []).append(each.digest)
    places = raw_requests.partitions(raw)
    at = {(each.pipeline, each.digest, each.topic, each.partition): each for each in cursors}
    lines = [
        Line(name, *place, first_id(days.before(name, "requests")), below)
        for name in removal.pipelines(raw)
        if not days.held(name)
        for place, setbacks in places.items()
        if not place[0].startswith(IMPORTS) or place[0] == IMPORTS + name
        for below in [_below([at.get((name, d, *place)) for d in used.get(name, ())], setbacks)]
    ]
    return PastRequests(lines, _settled(warehouse, cursors))


def _below(cursors: Sequence[Cursor | None], setbacks: int) -> int:
    """The offset that all have passed; all of them, for a pipeline that nothing reads."""
    return min(
        (0 if it is None or it.setbacks < setbacks else it.next_offset for it in cursors),
        default=removal.ALL,
    )


def _settled(warehouse: Connection, cursors: Sequence[Cursor]) -> list[Settled]:
    made: Mapping[str, Mapping[str, str]] = {
        name: {digest: at.isoformat() for digest, at in retention.sets(warehouse, name).items()}
        for name in {each.pipeline for each in cursors}
    }
    return [
        Settled(*key, made[it.pipeline][it.digest], it.topic, it.partition, it.next_offset)
        for it in cursors
        for key in [(it.pipeline, it.digest)]
        if it.digest in made[it.pipeline]
    ]
