"""What outboxes say of themselves. The balance compares it with the rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from psycopg.types.json import Jsonb

from mlplatform.database import queries
from mlplatform.database.sessions import Connection

SQL = queries.load("outboxes")


@dataclass(frozen=True)
class Heartbeat:
    """One message of an outbox."""

    outbox_id: str
    host: str
    accepted: int  # number of the last record made durable
    acknowledged: int  # number of the last record that the queue has
    versions: Mapping[str, str]  # pipeline -> version that answers there
    closed: bool  # drained and gone for good


def heard(connection: Connection, heartbeat: Heartbeat) -> None:
    """Keep what an outbox said."""
    connection.execute(
        SQL["heard"], {**vars(heartbeat), "versions": Jsonb(dict(heartbeat.versions))}
    )
