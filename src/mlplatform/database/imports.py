"""Imported rows: raw requests of the topic `import:<pipeline>`, exactly once per import key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from mlplatform.contracts.imports import ImportedRequest
from mlplatform.contracts.request import new_request_id
from mlplatform.database import queries
from mlplatform.database.sessions import Connection

SQL = queries.load("imports")


@dataclass(frozen=True)
class ImportState:
    """How far an import is.

    `records` counts the records of its body that are done, from the first one.
    """

    key: str
    body_sha256: str
    records: int
    accepted: int
    quarantined: int
    reasons: list[dict[str, Any]]
    last_offset: int | None
    finished: bool

    def after(
        self, *, accepted: int, quarantined: int, reasons: list[dict[str, Any]]
    ) -> ImportState:
        """The state after one more chunk."""
        return replace(
            self,
            records=self.records + accepted + quarantined,
            accepted=self.accepted + accepted,
            quarantined=self.quarantined + quarantined,
            reasons=reasons,
        )


def topic(pipeline: str) -> str:
    """The topic of a pipeline's imports; it has one partition, 0."""
    return f"import:{pipeline}"


def begin(
    raw: Connection, pipeline: str, key: str, *, caller: str, body_sha256: str
) -> ImportState:
    """The import of that key: new, or as far as earlier requests brought it."""
    raw.execute(
        SQL["begin"],
        {"pipeline": pipeline, "key": key, "caller": caller, "body_sha256": body_sha256},
    )
    return _state(raw, "find", pipeline, key)


def lock(raw: Connection, pipeline: str, key: str) -> ImportState:
    """The import, locked until the transaction ends."""
    return _state(raw, "lock", pipeline, key)


def store(
    raw: Connection, pipeline: str, requests: Sequence[ImportedRequest], *, caller: str
) -> int | None:
    """Add requests, in order. Returns the last offset, None for no requests."""
    if not requests:
        return None
    position = {"topic": topic(pipeline)}
    raw.execute(SQL["make_offset"], position)
    row = raw.execute(SQL["lock_offset"], position).fetchone()
    assert row is not None
    first, now = int(row[0]), datetime.now(UTC)
    common = (pipeline, "import", position["topic"], 0)
    with raw.cursor() as cursor, cursor.copy(SQL["copy_requests"]) as copy:
        for offset, each in enumerate(requests, start=first):
            copy.write_row((new_request_id(), *common, offset, caller, now, each.rows, each.inputs))
    raw.execute(SQL["set_offset"], {**position, "next": first + len(requests)})
    return first + len(requests) - 1


def advance(raw: Connection, pipeline: str, state: ImportState) -> None:
    """Record how far the import is; the caller holds its lock."""
    values = {
        name: getattr(state, name)
        for name in ("key", "records", "accepted", "quarantined", "last_offset", "finished")
    }
    raw.execute(SQL["advance"], {**values, "pipeline": pipeline, "reasons": Jsonb(state.reasons)})


def _state(raw: Connection, query: str, pipeline: str, key: str) -> ImportState:
    with raw.cursor(row_factory=class_row(ImportState)) as cursor:
        found = cursor.execute(SQL[query], {"pipeline": pipeline, "key": key}).fetchone()
    assert found is not None
    return found
