"""Removal of requests from the raw database.

A request may go once it is older than its pipeline's days and every features digest in use has
passed it. What the balance needs of it stays: the numbers of its outbox, and its rows per digest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from psycopg.types.json import Jsonb

from mlplatform.database import queries
from mlplatform.database.removed_amount import Amount
from mlplatform.database.sessions import Connection

SQL = queries.load("removal")
ALL = 2**63 - 1


@dataclass(frozen=True)
class Line:
    """Requests of a pipeline in one partition of a topic that may go.

    Those with ids before `before` (a UUIDv7: its time) and below the `below` of log_offset.
    """

    pipeline: str
    topic: str
    partition: int
    before: str
    below: int


@dataclass(frozen=True)
class Settled:
    """How far a features digest is in one partition of a topic.

    `made_at` is that of its entry in control.feature_sets, ISO 8601.
    """

    pipeline: str
    digest: str
    made_at: str
    topic: str
    partition: int
    next_offset: int


def first_id(moment: datetime) -> str:
    """The least request id of a moment, as raw.first_request_id."""
    digits = f"{int(moment.timestamp() * 1000):012x}".ljust(32, "0")
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def pipelines(raw: Connection) -> list[str]:
    """Pipelines that have requests, also those that were never applied."""
    return [name for (name,) in raw.execute(SQL["pipelines"]).fetchall()]


def past_requests(raw: Connection, lines: Sequence[Line]) -> Mapping[str, Amount]:
    """What may go, by pipeline."""
    found = raw.execute(SQL["past_requests"], {"lines": _lines(lines)}).fetchall()
    return {name: Amount(*more) for name, *more in found}


def past_partitions(raw: Connection, lines: Sequence[Line]) -> list[str]:
    """Tables of past months of which all may go."""
    found = raw.execute(SQL["past_partitions"], {"lines": _lines(lines)}).fetchall()
    return [name for (name,) in found]


def least_kept(raw: Connection, pipeline: str, before: str, lines: Sequence[Line]) -> str:
    """The id below which nothing of a pipeline is left once `lines` are removed."""
    values = {"pipeline": pipeline, "before": before, "lines": _lines(lines)}
    row = raw.execute(SQL["least_kept"], values).fetchone()
    assert row is not None
    return str(row[0])


def remove_requests(
    raw: Connection, lines: Sequence[Line], settled: Sequence[Settled], *, most: int
) -> Mapping[str, Amount]:
    """Remove at most so many requests; what went, by pipeline."""
    return _removed(raw, "remove_requests", lines, settled, most=most)


def remove_partition(
    raw: Connection, partition: str, lines: Sequence[Line], settled: Sequence[Settled]
) -> Mapping[str, Amount]:
    """Remove a partition if all of it may still go, else nothing; what went, by pipeline."""
    return _removed(raw, "remove_partition", lines, settled, partition=partition)


def tidy(raw: Connection) -> None:
    """Join what was noted of the numbers that were removed; to be called when all is."""
    raw.execute(SQL["tidy"])


def _removed(
    raw: Connection,
    query: str,
    lines: Sequence[Line],
    settled: Sequence[Settled],
    **values: str | int,
) -> Mapping[str, Amount]:
    notes = Jsonb([asdict(each) for each in settled])
    found = raw.execute(SQL[query], {"lines": _lines(lines), "settled": notes, **values})
    return {name: Amount(*more) for name, *more in found.fetchall()}


def _lines(lines: Sequence[Line]) -> Jsonb:
    return Jsonb([asdict(each) for each in lines])
