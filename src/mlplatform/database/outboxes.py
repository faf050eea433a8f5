"""What outboxes say of themselves. The balance compares it with the rows."""

from __future__ import annotations

from psycopg.types.json import Jsonb

from mlplatform.contracts.outbox_report import OutboxReport
from mlplatform.database import queries
from mlplatform.database.sessions import Connection

SQL = queries.load("outboxes")


def record(connection: Connection, outbox_id: str, report: OutboxReport) -> None:
    """Keep what an outbox said."""
    values = {**report.model_dump(), "outbox_id": outbox_id, "versions": Jsonb(report.versions)}
    connection.execute(SQL["record"], values)
