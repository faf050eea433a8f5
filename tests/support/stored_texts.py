"""Where a text stands in the databases, whatever the table and the column."""

from __future__ import annotations

from typing import Any


def stored(api: Any, text: str) -> list[str]:
    """Tables of both databases in which a text stands, whatever the column."""
    found = []
    for database in ("raw", "warehouse"):
        with api.databases.cluster.superuser(getattr(api.databases, database)) as owner:
            tables = owner.execute(
                "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN"
                " ('raw', 'warehouse', 'features', 'control')"
            ).fetchall()
            for (table,) in tables:
                query = f"SELECT count(*) FROM {table} AS t WHERE position(%s IN t::text) > 0"
                # Bytes are shown as hexadecimal digits.
                hexed = text.encode().hex()
                counts = [owner.execute(query, (each,)).fetchone()[0] for each in (text, hexed)]
                found += [table] * any(counts)
    return sorted(found)
