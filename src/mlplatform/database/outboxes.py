"""What outboxes say of themselves. The balance compares it with the rows."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg.types.json import Jsonb

from mlplatform.contracts.outbox_report import OutboxReport
from mlplatform.database import queries
from mlplatform.database.sessions import Connection

SQL = queries.load("outboxes")


@dataclass(frozen=True, slots=True)
class KnownOutbox:
    """The highest number that was reported or stored, and the run that owns the identity."""

    highest: int = 0
    incarnation: str | None = None


def known(connection: Connection, outbox_id: str) -> KnownOutbox:
    """What is known of an outbox; nobody else may report it until the transaction ends."""
    reported = connection.execute(SQL["lock"], {"outbox_id": outbox_id}).fetchone() or (0, None)
    return KnownOutbox(max(int(reported[0]), highest(connection, outbox_id)), reported[1])


def highest(connection: Connection, outbox_id: str) -> int:
    """The highest number of an outbox that this raw server has stored; 0 for none."""
    row = connection.execute(SQL["highest"], {"outbox_id": outbox_id}).fetchone()
    assert row is not None
    return int(row[0])


def record(connection: Connection, outbox_id: str, report: OutboxReport) -> None:
    """Keep what an outbox said."""
    values = report.model_dump()
    values |= {"outbox_id": outbox_id}
    values |= {name: Jsonb(values[name]) for name in ("versions", "damaged")}
    connection.execute(SQL["record"], values)


def count_copy(connection: Connection, outbox_id: str) -> None:
    """Keep that a copy of this outbox has spoken."""
    connection.execute(SQL["count_copy"], {"outbox_id": outbox_id})
