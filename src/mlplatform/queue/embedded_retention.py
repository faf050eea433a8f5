"""What the embedded queue no longer keeps: records that a group has stored and that are too old."""

from __future__ import annotations

import sqlite3
import time

# Records removed in one transaction: producers wait meanwhile. Above what comes in between two, so
# that a backlog shrinks.
AT_ONCE = 10_000


def clean(connection: sqlite3.Connection, topic: str, group: str) -> int:
    """Remove some of what this group has stored and is too old; returns how many.

    Only this group's offsets count: one that no longer exists must not keep records for ever.
    """
    query = "SELECT retention_s FROM topics WHERE topic = ?"
    retention = connection.execute(query, (topic,)).fetchone()[0]
    query = "SELECT partition, next_offset FROM committed WHERE topic = ? AND team = ?"
    removed = 0
    for partition, below in connection.execute(query, (topic, group)).fetchall():
        old = (topic, partition, below, time.time() - retention, AT_ONCE - removed)
        query = (
            "SELECT offset FROM messages WHERE topic = ? AND partition = ? AND offset < ? "
            "AND at < ? ORDER BY offset LIMIT ?"
        )
        last = max((row[0] for row in connection.execute(query, old)), default=None)
        if last is None:
            continue
        gone = "DELETE FROM messages WHERE topic = ? AND partition = ? AND offset <= ?"
        removed += connection.execute(gone, (topic, partition, last)).rowcount
        connection.execute(
            "UPDATE heads SET first_kept = ? WHERE topic = ? AND partition = ?",
            (last + 1, topic, partition),
        )
    return removed
