"""The warehouse side of etl: feature rows, labels of imported rows, quarantine and progress.

A batch is one transaction: `claim` a place, `store` what came of its requests, `advance`.
Everything that a batch writes becomes visible together, under one mark, and a process that dies in
between has written nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql
from psycopg.rows import class_row

from mlplatform.contracts.columns import Columns
from mlplatform.database import queries
from mlplatform.database.pools import Connection, one_line
from mlplatform.database.printable import printable, printable_value
from mlplatform.database.raw_requests import Cursor
from mlplatform.errors import InvalidInput, Refused

SQL = queries.load("featuring")


@dataclass(frozen=True, slots=True)
class LabelRow:
    """The target of an imported row; one of number and text is set, none where the field is empty."""

    request_id: str
    row: int
    number: float | None
    text: str | None


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that broke its contract, with the column (empty: the row as a whole) and the reason."""

    request_id: str
    row: int
    column: str
    reason: str
    payload: Any


@dataclass(frozen=True)
class Outcome:
    """What came of the rows of a batch.

    `ids`, `rows`, `times`, `keys` and every feature have one item per good row.
    """

    ids: list[str]
    rows: list[int]
    times: list[datetime]
    keys: list[str | None]
    features: Columns
    labels: list[LabelRow] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)


def places(connection: Connection) -> list[Cursor]:
    """How far every digest is."""
    with connection.cursor(row_factory=class_row(Cursor)) as cursor:
        return cursor.execute(SQL["places"]).fetchall()


def add_places(connection: Connection, new: Sequence[Cursor]) -> None:
    """Begin roads at 0; those that have begun stay."""
    values = {
        "pipelines": [place.pipeline for place in new],
        "digests": [place.digest for place in new],
        "topics": [place.topic for place in new],
        "partitions": [place.partition for place in new],
    }
    connection.execute(SQL["add_places"], values)


def claim(connection: Connection, place: Cursor) -> int | None:
    """Take a place until the transaction ends: its next offset, or None when another etl has it."""
    row = connection.execute(SQL["claim"], _keys(place)).fetchone()
    return None if row is None else int(row[0])


def store(connection: Connection, place: Cursor, table: str, outcome: Outcome) -> None:
    """Write feature rows, quarantine, and, if the digest reads the target that holds now, labels.

    Takes the mark, which serialises all writers: commit soon after. Rows that are there already
    stay as they are. Raises InvalidInput when PostgreSQL refuses a value, Refused when it refuses
    the table; the transaction is lost then.
    """
    with _refusals(table):
        staged = _stage(connection, table, outcome)
        quarantine(connection, place.pipeline, place.digest, outcome.bad)
        if outcome.ids:
            mark = _mark(connection)
            connection.execute(_insert(table, staged, list(outcome.features)), (mark,))
            _label(connection, place, outcome.labels, mark=mark)


def advance(
    connection: Connection, place: Cursor, *, next_offset: int, featured: int, quarantined: int
) -> None:
    """Move the place on."""
    connection.execute(
        SQL["advance"],
        {**_keys(place), "next": next_offset, "featured": featured, "quarantined": quarantined},
    )


def quarantine(connection: Connection, pipeline: str, digest: str, bad: Sequence[BadRow]) -> None:
    """Keep bad rows with their reasons; a row that is there already gets the newest one."""
    if not bad:
        return
    values = {
        "pipeline": pipeline,
        "digest": digest,
        "ids": [row.request_id for row in bad],
        "rows": [row.row for row in bad],
        "columns": [row.column for row in bad],
        "reasons": [printable(row.reason) for row in bad],
        "payloads": [msgspec.json.encode(printable_value(row.payload)).decode() for row in bad],
    }
    connection.execute(SQL["quarantine"], values)


@contextmanager
def _refusals(table: str) -> Iterator[None]:
    try:
        yield
    except (
        psycopg.DataError,
        psycopg.IntegrityError,
        psycopg.errors.ProgramLimitExceeded,
    ) as error:
        raise InvalidInput(f"the database refuses it: {one_line(error)}") from error
    except psycopg.ProgrammingError as error:
        raise Refused(f"features.{table} can't be written: {one_line(error)}") from error


def _mark(connection: Connection) -> int:
    row = connection.execute(SQL["mark"]).fetchone()
    assert row is not None
    return int(row[0])


def _stage(connection: Connection, table: str, outcome: Outcome) -> sql.Identifier:
    """COPY the good rows into a temporary table of this connection.

    It is kept for the next batch: a new one each time bloats the catalog.
    """
    staged = sql.Identifier("pg_temp", table)
    names = sql.SQL(", ").join(map(sql.Identifier, _columns(list(outcome.features))))
    found = connection.execute("SELECT to_regclass(%s)", (staged.as_string(connection),)).fetchone()
    if found is None or found[0] is None:
        template = sql.SQL(
            "CREATE TEMPORARY TABLE {} ON COMMIT DELETE ROWS AS SELECT {} FROM {} WITH NO DATA"
        )
        connection.execute(
            template.format(sql.Identifier(table), names, sql.Identifier("features", table))
        )
    lists = [_storable(array) for array in outcome.features.values()]
    with (
        connection.cursor() as cursor,
        cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(staged, names)) as copy,
    ):
        for row in zip(outcome.ids, outcome.rows, outcome.times, outcome.keys, *lists, strict=True):
            copy.write_row(row)
    return staged


def _insert(table: str, staged: sql.Identifier, features: list[str]) -> sql.Composed:
    names = sql.SQL(", ").join(map(sql.Identifier, _columns(features)))
    return sql.SQL(
        "INSERT INTO {} ({}, batch) SELECT {}, %s FROM {} ON CONFLICT (request_id, row) DO NOTHING"
    ).format(sql.Identifier("features", table), names, names, staged)


def _columns(features: list[str]) -> list[str]:
    return ["request_id", "row", "event_time", "key", *features]


def _storable(array: NDArray[Any]) -> list[Any]:
    """NaN is a null in the table."""
    values = array.tolist()
    if array.dtype.kind == "f" and np.isnan(array).any():
        return [None if value != value else value for value in values]  # noqa: PLR0124  (NaN differs from itself)
    return values  # type: ignore[no-any-return]  # a list, for a 1-D array


def _label(connection: Connection, place: Cursor, labels: Sequence[LabelRow], *, mark: int) -> None:
    if not labels or not _reads_target(connection, place):
        return
    values = {
        "pipeline": place.pipeline,
        "mark": mark,
        "ids": [label.request_id for label in labels],
        "rows": [label.row for label in labels],
        "numbers": [label.number for label in labels],
        "texts": [label.text for label in labels],
    }
    connection.execute(SQL["correct_labels"], values)
    connection.execute(SQL["add_labels"], values)


def _reads_target(connection: Connection, place: Cursor) -> bool:
    row = connection.execute(
        SQL["reads_target"], {"pipeline": place.pipeline, "digest": place.digest}
    ).fetchone()
    return row is not None and bool(row[0])


def _keys(place: Cursor) -> dict[str, Any]:
    return {
        "pipeline": place.pipeline,
        "digest": place.digest,
        "topic": place.topic,
        "partition": place.partition,
    }
