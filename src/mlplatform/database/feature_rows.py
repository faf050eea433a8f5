"""Feature rows: one table in `features` per features digest, written by etl, one batch at a time.

Everything that a batch writes (feature rows, labels, quarantine) becomes visible together, under
one mark, and a process that dies in between has written nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from mlplatform.contracts.columns import Columns
from mlplatform.database import feature_sets, labels, marks, quarantine
from mlplatform.database.labels import Label
from mlplatform.database.quarantine import BadRow
from mlplatform.database.sessions import Connection, one_line
from mlplatform.errors import InvalidInput, Refused


@dataclass(frozen=True)
class FeatureBatch:
    """What came of the rows of some requests.

    `ids`, `rows`, `times`, `keys` and every feature have one item per good row; so has the weight,
    which is among the features where the pipeline has one.
    """

    ids: list[str]
    rows: list[int]
    times: list[datetime]
    keys: list[str | None]
    features: Columns
    labels: list[Label] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)


def store(
    connection: Connection, pipeline: str, digest: str, table: str, batch: FeatureBatch
) -> None:
    """Write feature rows, bad rows, and, if the digest reads the target that holds now, labels.

    Takes the mark, which serialises all writers: commit soon after. Rows that are there already
    stay as they are, and no row is in quarantine at the same time: entries of good rows are
    resolved. Raises InvalidInput when PostgreSQL refuses a value, Refused when it refuses the
    table; the transaction is lost then.
    """
    with _refusals(table):
        staged = _stage(connection, table, batch)
        keep_bad(connection, pipeline, digest, table, batch.bad)
        if batch.ids:
            quarantine.resolve_staged(connection, pipeline, digest, staged)
            # As late as possible: from here to the commit every other writer waits.
            mark = marks.next_mark(connection)
            connection.execute(_insert(table, staged, list(batch.features)), (mark,))
            # Asked under the mark, which a change of the target takes too: one of both comes first.
            if batch.labels and feature_sets.reads_target(connection, pipeline, digest):
                labels.add_imported(connection, batch.labels, mark=mark)


def keep_bad(
    connection: Connection, pipeline: str, digest: str, table: str, bad: Sequence[BadRow]
) -> None:
    """Put bad rows into quarantine, but for those that are feature rows from an earlier read.

    Those stay what they are, and datasets with them: counted as both, they would be one too many.
    """
    if not bad:
        return
    query = sql.SQL(
        "SELECT request_id::text, row FROM {} JOIN unnest(%s::uuid[], %s::integer[])"
        " AS bad (request_id, row) USING (request_id, row)"
    ).format(sql.Identifier("features", table))
    places = [row.request_id for row in bad], [row.row for row in bad]
    known = set(connection.execute(query, places).fetchall())
    new = [row for row in bad if (row.request_id, row.row) not in known]
    quarantine.keep(connection, pipeline, digest, new)


def count(connection: Connection, table: str) -> int:
    """All rows of a table."""
    query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("features", table))
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


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


def _stage(connection: Connection, table: str, batch: FeatureBatch) -> sql.Identifier:
    """COPY the good rows into a temporary table of this session.

    It is kept for the next batch: a new one each time bloats the catalog.
    """
    staged = sql.Identifier("pg_temp", table)
    names = _columns(list(batch.features))
    found = connection.execute("SELECT to_regclass(%s)", (staged.as_string(connection),)).fetchone()
    if found is None or found[0] is None:
        template = sql.SQL(
            "CREATE TEMPORARY TABLE {} ON COMMIT DELETE ROWS AS SELECT {} FROM {} WITH NO DATA"
        )
        connection.execute(
            template.format(sql.Identifier(table), names, sql.Identifier("features", table))
        )
    lists = [_storable(array) for array in batch.features.values()]
    with (
        connection.cursor() as cursor,
        cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(staged, names)) as copy,
    ):
        for row in zip(batch.ids, batch.rows, batch.times, batch.keys, *lists, strict=True):
            copy.write_row(row)
    return staged


def _insert(table: str, staged: sql.Identifier, features: Sequence[str]) -> sql.Composed:
    names = _columns(features)
    return sql.SQL(
        "INSERT INTO {} ({}, batch) SELECT {}, %s FROM {} ON CONFLICT (request_id, row) DO NOTHING"
    ).format(sql.Identifier("features", table), names, names, staged)


def _columns(features: Sequence[str]) -> sql.Composed:
    names = ["request_id", "row", "event_time", "key", *features]
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _storable(array: NDArray[Any]) -> list[Any]:
    """NaN is a null in the table."""
    values = array.tolist()
    if array.dtype.kind == "f" and np.isnan(array).any():
        return [None if value != value else value for value in values]  # noqa: PLR0124  (finds NaN)
    return values  # type: ignore[no-any-return]  # a list, for a 1-D array
