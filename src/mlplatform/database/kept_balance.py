"""What a proof of the balance has counted, so that later balances count only what came since.

A proof counts all rows in a snapshot of a standby, and keeps what it found on the primary, with
what tells whether it still holds. Where rows went since, or came below what was counted, it is void
and all rows are counted. That is told by the database itself: every removal is noted in its own
transaction, and what comes later lies at a higher offset (raw requests) or under a higher mark
(feature rows), or is a setback. So it does not matter when the proof is written. Only what the
database's owner changes past the triggers goes unnoticed, until the next proof.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import sql
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from mlplatform.database import queries
from mlplatform.database.pools import StandbyRead
from mlplatform.database.sessions import Connection

SQL = queries.load("kept_balance")
MOST_SINCE = 500_000
"""Requests that came after a proof, of which the numbers are looked up in the tables.

With more of them a count of all rows, from indexes alone, may take no longer.
"""


@dataclass(frozen=True)
class KeptRows:
    """Rows of the requests of a pipeline in a partition, below an offset."""

    pipeline: str
    topic: str
    partition: int
    below: int
    rows: int


@dataclass(frozen=True)
class KeptNumbers:
    """Requests of an outbox with numbers up to `upto`; `highest` is the highest of them."""

    outbox_id: str
    upto: int
    records: int
    numbers: int
    highest: int | None


@dataclass(frozen=True)
class KeptFeatures:
    """Rows of a feature table up to a mark."""

    table_name: str
    mark: int
    rows: int
    proven_at: datetime


@dataclass(frozen=True)
class KeptRaw:
    """What still holds of what was counted on a raw server; `proven_at` is None if nothing does."""

    proven_at: datetime | None = None
    rows: Sequence[KeptRows] = ()
    numbers: Sequence[KeptNumbers] = ()

    @property
    def outbox_values(self) -> dict[str, object]:
        """Parameters of the statement that counts outboxes."""
        return {
            "boxes": [each.outbox_id for each in self.numbers],
            "uptos": [each.upto for each in self.numbers],
            "records": [each.records for each in self.numbers],
            "numbers": [each.numbers for each in self.numbers],
            "highests": [each.highest for each in self.numbers],
        }

    @property
    def row_values(self) -> dict[str, object]:
        """Parameters of the statement that counts raw rows."""
        return {
            "kept_pipelines": [each.pipeline for each in self.rows],
            "kept_topics": [each.topic for each in self.rows],
            "kept_partitions": [each.partition for each in self.rows],
            "kept_below": [each.below for each in self.rows],
            "kept_rows": [each.rows for each in self.rows],
        }


NOTHING = KeptRaw()


@dataclass(frozen=True)
class CountedProof:
    """What was counted in a snapshot of a standby on this timeline."""

    timeline: int
    counted: Any


def of_raw(raw: Connection) -> KeptRaw:
    """What holds on a raw server; an outbox of which an old number came since is left out."""
    row = raw.execute(SQL["proven_at"]).fetchone()
    if row is None:
        return NOTHING
    with raw.cursor(row_factory=class_row(KeptRows)) as cursor:
        rows = cursor.execute(SQL["rows"]).fetchall()
    with raw.cursor(row_factory=class_row(KeptNumbers)) as cursor:
        numbers = cursor.execute(SQL["numbers"]).fetchall()
    late = _late(raw)
    if late is None:
        return NOTHING
    return KeptRaw(row[0], rows, [each for each in numbers if each.outbox_id not in late])


def _late(raw: Connection) -> set[str] | None:
    """Outboxes of which an old number came since; None when more came than is quick to read."""
    raw.execute(SQL["read_by_index"], {"seqscan": "off"})
    row = raw.execute(SQL["since"], {"most": MOST_SINCE}).fetchone()
    few = row is not None and row[0] < MOST_SINCE
    late = {box for (box,) in raw.execute(SQL["late"]).fetchall()} if few else None
    raw.execute(SQL["read_by_index"], {"seqscan": "on"})
    return late


def known(kept: Sequence[KeptRaw]) -> dict[str, int]:
    """Outbox -> up to this number none is missing, as the proofs of all raw servers say."""
    uptos = [{each.outbox_id: each.upto for each in server.numbers} for server in kept]
    boxes = set(uptos[0]).intersection(*uptos[1:]) if uptos else set[str]()
    return {box: min(each[box] for each in uptos) for box in boxes}


def of_features(warehouse: Connection) -> dict[str, KeptFeatures]:
    """What holds of the feature tables, by their names."""
    with warehouse.cursor(row_factory=class_row(KeptFeatures)) as cursor:
        found = cursor.execute(SQL["features"]).fetchall()
    return {each.table_name: each for each in found}


def prove_raw(read: StandbyRead, uptos: Mapping[str, int], at: datetime) -> CountedProof:
    """Count what is to be kept of a raw server, in its snapshot.

    `uptos`: outbox -> up to this number none is missing on all servers together.
    """
    raw = read.connection
    values = {"outboxes": list(uptos), "uptos": list(uptos.values())}
    with raw.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(SQL["count_rows"]).fetchall()
        numbers = cursor.execute(SQL["count_numbers"], values).fetchall()
        removals = cursor.execute(SQL["removals"]).fetchone()
    assert removals is not None
    counted = {"proven_at": at.isoformat(), "removals": removals["times"]}
    return CountedProof(read.timeline, counted | {"rows": rows, "numbers": numbers})


def prove_features(read: StandbyRead, counts: Mapping[str, int], at: datetime) -> CountedProof:
    """What is to be kept of the feature tables, in the snapshot in which they were counted.

    `counts`: pipeline -> all rows of its current table. A table that has rows above the mark (no
    etl wrote them) is left out: they would be counted twice.
    """
    with read.connection.cursor(row_factory=dict_row) as cursor:
        facts = cursor.execute(SQL["feature_facts"]).fetchall()
    counted = [
        {**fact, "made_at": fact["made_at"].isoformat(), "proven_at": at.isoformat()}
        | {"rows": counts[fact["pipeline"]]}
        for fact in facts
        if fact["pipeline"] in counts and not _above(read.connection, **fact)
    ]
    return CountedProof(read.timeline, counted)


def _above(warehouse: Connection, *, table_name: str, mark: int, **_: object) -> bool:
    query = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE batch > {})").format(
        sql.Identifier("features", table_name), sql.Literal(mark)
    )
    row = warehouse.execute(query).fetchone()
    return row is None or bool(row[0])


def keep_raw(primary: Connection, proof: CountedProof) -> bool:
    """Keep it in place of what was kept.

    False when this server may have lost what the standby has shown.
    """
    values = {"timeline": proof.timeline, "proof": Jsonb(proof.counted)}
    row = primary.execute(SQL["keep"], values).fetchone()
    return row is not None and bool(row[0])


def keep_features(primary: Connection, proof: CountedProof) -> bool:
    """The same for the feature tables."""
    values = {"timeline": proof.timeline, "counts": Jsonb(proof.counted)}
    row = primary.execute(SQL["keep_features"], values).fetchone()
    return row is not None and bool(row[0])
