"""Rows of a person, found by their key and removed from both databases.

In the raw database a row keeps its place and its numbers: the values become null, and the request
notes which rows were forgotten. In the warehouse an entry of the quarantine without a value stands
for each row under every features digest that had come to it, or comes to it later; so the balance
closes at any moment. The functions of the database remove, nobody may change a value otherwise
(migrations 0010).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

from psycopg.rows import class_row

from mlplatform.contracts.forget import TrainedVersion
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.database import queries
from mlplatform.database.raw_requests import RawRequest
from mlplatform.database.sessions import Connection

SQL = queries.load("forget")
_FETCHED = 500
Row = tuple[str, int]
"""(request_id, row)."""


@dataclass(frozen=True)
class KeyedRequest:
    """A request in which a key may stand. `forgotten` are rows that were forgotten before."""

    request_id: str
    rows: int
    inputs: str
    forgotten: Sequence[int]


@dataclass(frozen=True)
class KeptEntry:
    """An entry of the quarantine in which a key may stand."""

    id: int
    digest: str | None
    request_id: str | None
    row: int | None
    payload: Any


@dataclass(frozen=True)
class ForgottenAmount:
    """What was removed from the warehouse, by kind."""

    features: int = 0
    labels: int = 0
    corrections: int = 0
    quarantined: int = 0
    refused: int = 0

    def __add__(self, other: ForgottenAmount) -> ForgottenAmount:
        """Both."""
        both = zip(astuple(self), astuple(other), strict=True)
        return ForgottenAmount(*(mine + theirs for mine, theirs in both))


def definitions(warehouse: Connection, pipeline: str) -> list[PipelineDefinition]:
    """Definitions of a pipeline: of each features digest, and the one that holds."""
    found = warehouse.execute(SQL["definitions"], {"pipeline": pipeline}).fetchall()
    return [PipelineDefinition.parse(document, where=pipeline) for (document,) in found]


def stored(raw: Connection, pipeline: str, needles: Sequence[str]) -> Iterator[KeyedRequest]:
    """Requests that may hold the text, and those with rows that were forgotten before."""
    values = {"pipeline": pipeline, "needles": list(needles)}
    with raw.cursor(name="forget") as cursor:  # on the server's side: they may be many
        cursor.itersize = _FETCHED
        for row in cursor.execute(SQL["stored"], values):
            yield KeyedRequest(*row)


def letters(raw: Connection, pipeline: str) -> Iterator[tuple[int, bytes]]:
    """Id and payload of dead letters that may hold rows of a pipeline."""
    with raw.cursor(name="forget") as cursor:
        cursor.itersize = _FETCHED // 10
        for number, payload in cursor.execute(SQL["letters"], {"pipeline": pipeline}):
            yield int(number), bytes(payload)


def featured(warehouse: Connection, pipeline: str, key: str) -> list[Row]:
    """Rows that have the key in a feature table of any digest."""
    return warehouse.execute(SQL["featured"], {"pipeline": pipeline, "key": key}).fetchall()


def corrected(
    warehouse: Connection, pipeline: str, has: Callable[[Mapping[str, Any]], bool]
) -> list[Row]:
    """Rows whose corrected fields are meant by `has`."""
    found = warehouse.execute(SQL["corrected"], {"pipeline": pipeline}).fetchall()
    return [(request_id, row) for request_id, row, fields in found if has(fields)]


def quarantined(warehouse: Connection, pipeline: str, needles: Sequence[str]) -> list[KeptEntry]:
    """Rows and records of imports in the quarantine that may hold one of the texts."""
    values = {"pipeline": pipeline, "needles": list(needles)}
    with warehouse.cursor(row_factory=class_row(KeptEntry)) as cursor:
        return cursor.execute(SQL["quarantined"], values).fetchall()


def forget_stored(
    raw: Connection, pipeline: str, wanted: Mapping[str, Sequence[int]], entry: int
) -> int:
    """Remove the values of rows (request_id -> rows). Returns how many were there."""
    done = 0
    for request_id, rows in sorted(wanted.items()):  # ordered against deadlocks
        values = {"pipeline": pipeline, "id": request_id, "rows": list(rows), "entry": entry}
        row = raw.execute(SQL["forget_rows"], values).fetchone()
        assert row is not None
        done += int(row[0])
    return done


def forget_letters(raw: Connection, ids: Sequence[int], entry: int) -> int:
    """Remove the payloads of dead letters. Returns how many had one."""
    row = raw.execute(SQL["forget_letters"], {"ids": list(ids), "entry": entry}).fetchone()
    assert row is not None
    return int(row[0])


def forget_made(
    warehouse: Connection, pipeline: str, rows: Sequence[Row], whole: Sequence[str], entry: int
) -> ForgottenAmount:
    """Remove all that was made of rows, and what was sent about them.

    `whole` are requests none of whose rows is left. The caller holds the lock of corrections.
    """
    values = {
        "pipeline": pipeline,
        "ids": [request_id for request_id, _ in rows],
        "rows": [row for _, row in rows],
        "whole": list(whole),
        "entry": entry,
    }
    with warehouse.cursor(row_factory=class_row(ForgottenAmount)) as cursor:
        found = cursor.execute(SQL["forget"], values).fetchone()
    assert found is not None
    return found


def forget_lines(
    raw: Connection, warehouse: Connection, pipeline: str, lines: Sequence[KeptEntry], entry: int
) -> int:
    """Remove records of imports that became no rows, and why they were refused."""
    values = {
        "pipeline": pipeline,
        "keys": [line.payload["import"] for line in lines],
        "records": [line.payload["record"] for line in lines],
    }
    raw.execute(SQL["forget_reasons"], values)
    given = {"pipeline": pipeline, "ids": [line.id for line in lines], "entry": entry}
    row = warehouse.execute(SQL["forget_lines"], given).fetchone()
    assert row is not None
    return int(row[0])


def versions(warehouse: Connection, pipeline: str, entry: int) -> list[TrainedVersion]:
    """Versions that were trained on rows that this entry of the ledger has forgotten.

    And trainings that have read some, and have made no version yet.
    """
    values = {"pipeline": pipeline, "entry": entry}
    with warehouse.cursor(row_factory=class_row(TrainedVersion)) as cursor:
        return cursor.execute(SQL["versions"], values).fetchall()


def expected(raw: Connection) -> dict[str, tuple[int, int]]:
    """Outbox -> up to which number its records may come, and up to which none does any more."""
    return {box: (upto, given_up) for box, upto, given_up in raw.execute(SQL["expected"])}


def stored_ends(raw: Connection, outboxes: Sequence[str]) -> dict[str, int]:
    """Outbox -> the highest of its numbers that is stored on this server."""
    return dict(raw.execute(SQL["stored_ends"], {"outboxes": list(outboxes)}).fetchall())


def open_imports(raw: Connection, pipeline: str) -> list[str]:
    """Imports of a pipeline that have not ended, and went on within a day."""
    found = raw.execute(SQL["open_imports"], {"pipeline": pipeline}).fetchall()
    return [key for (key,) in found]


def pass_over(
    warehouse: Connection, pipeline: str, digest: str, requests: Sequence[RawRequest]
) -> None:
    """Note the rows of these requests that a digest passes over because they were forgotten."""
    gone = [
        (request.request_id, row, entry)
        for request in requests
        for row, entry in zip(request.forgotten, request.forgotten_in, strict=True)
    ]
    if gone:
        ids, rows, entries = map(list, zip(*gone, strict=True))
        values = {"pipeline": pipeline, "digest": digest, "ids": ids}
        warehouse.execute(SQL["pass_over"], {**values, "rows": rows, "entries": entries})


def of_requests(raw: Connection, ids: Sequence[str]) -> list[tuple[str, int, list[int]]]:
    """(request_id, rows, rows that were forgotten) of those of these requests that are stored."""
    return raw.execute(SQL["of_requests"], {"ids": list(ids)}).fetchall()
