"""What the platform keeps of itself: quarantine, ledger, outboxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlplatform.access import Caller, Role
from mlplatform.dataapi.books import Books
from mlplatform.database import ledger, outboxes, quarantine
from mlplatform.database.outboxes import Heartbeat
from mlplatform.database.pools import PrimaryPool


class Quarantine:
    """Handler of the quarantine. Safe to share between threads."""

    def __init__(self, warehouse: PrimaryPool, books: Books) -> None:
        self._warehouse = warehouse
        self._books = books

    def unresolved(
        self, caller: Caller, *, pipeline: str | None, limit: int
    ) -> Sequence[Mapping[str, Any]]:
        """What waits for a person, newest first; without a pipeline, of all that the caller may touch."""
        subject = f"{pipeline}.quarantine" if pipeline else "quarantine"
        with self._books.access(
            caller,
            "read",
            subject,
            roles=[Role.READER, Role.TRAINER, Role.WRITER],
            pipeline=pipeline,
        ) as entry:
            mine = None if "*" in caller.pipelines else list(caller.pipelines)
            with self._warehouse.transaction() as connection:
                found = quarantine.unresolved(
                    connection, pipelines=[pipeline] if pipeline else mine, limit=limit
                )
            entry.rows = len(found)
        return found

    def redrive(self, caller: Caller, pipeline: str, ids: Sequence[int] | None) -> dict[str, Any]:
        """Ask etl to try rows again: all that can be, or those named; says which of the named can't."""
        with self._books.access(
            caller, "redrive", f"{pipeline}.quarantine", roles=[Role.WRITER], pipeline=pipeline
        ) as entry:
            with self._warehouse.transaction() as connection:
                redriven = quarantine.redrive(connection, pipeline, ids)
                skipped = quarantine.why_not(
                    connection, pipeline, sorted(set(ids or ()) - set(redriven))
                )
                entry.rows = len(redriven)
                ledger.enter(connection, entry)
            entry.entered = True
        return {
            "redriven": len(redriven),
            "skipped": [{"id": number, "reason": reason} for number, reason in skipped.items()],
        }


class Ledger:
    """Handler of the ledger, for admins. Safe to share between threads."""

    def __init__(self, warehouse: PrimaryPool, books: Books) -> None:
        self._warehouse = warehouse
        self._books = books

    def latest(
        self, caller: Caller, *, subject: str | None, limit: int
    ) -> Sequence[Mapping[str, Any]]:
        """The newest entries, newest first."""
        with self._books.access(caller, "read", "ledger", roles=[Role.ADMIN]) as entry:
            with self._warehouse.transaction() as connection:
                found = ledger.latest(connection, limit=limit, subject=subject)
            entry.rows = len(found)
        return found


class Outboxes:
    """Handler of the outboxes' heartbeats. Safe to share between threads."""

    def __init__(self, raw: PrimaryPool, books: Books) -> None:
        self._raw = raw
        self._books = books

    def heard(self, caller: Caller, heartbeat: Heartbeat) -> None:
        """Keep what an outbox says of itself."""
        with (
            self._books.look(caller, "outboxes", roles=[Role.SERVING]),
            self._raw.transaction() as connection,
        ):
            outboxes.heard(connection, heartbeat)
