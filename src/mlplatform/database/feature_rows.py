"""Feature rows: one table in `features` per features digest, written by etl, one batch at a time.

Everything that a batch writes (feature rows, labels, quarantine) becomes visible together, under
one mark, and a process that dies in between has written nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from mlplatform.contracts.columns import Columns
from mlplatform.database import (
    binary_rows,
    feature_sets,
    imported_labels,
    labels,
    marks,
    quarantine,
)
from mlplatform.database.feature_sets import LabelRules
from mlplatform.database.imported_labels import ImportedLabels
from mlplatform.database.kept_balance import KeptFeatures
from mlplatform.database.quarantine import BadRow
from mlplatform.database.sessions import Connection, one_line
from mlplatform.errors import InvalidInput, Refused


@dataclass(frozen=True)
class FeatureBatch:
    """What came of the rows of some requests.

    `ids`, `rows`, `times` (datetime64[us], UTC), `keys` and every feature have one item per good
    row; so has the weight, which is among the features where the pipeline has one.
    """

    ids: list[str]
    rows: list[int]
    times: NDArray[np.datetime64]
    keys: list[str | None]
    features: Columns
    labels: ImportedLabels = field(default_factory=ImportedLabels)
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
        keep_bad(connection, pipeline, digest, table, batch.bad)
        if batch.ids:
            quarantine.resolve(connection, pipeline, digest, batch.ids, batch.rows)
            mark = marks.next_mark(connection)
            # Asked under the mark, which a change of the target takes too: one of both comes first.
            rules = feature_sets.label_rules(connection, pipeline, digest)
            settled = imported_labels.settle(connection, pipeline, batch.labels, rules)
            features = {**_beside(batch, settled.beside, rules), **batch.features}
            _add(connection, table, replace(batch, features=features), mark)
            if not rules.holds_labels:
                imported_labels.copy(connection, pipeline, settled.beside, mark)
            labels.hold(connection, settled.changed, source="import", mark=mark)


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


def count(connection: Connection, table: str, kept: KeptFeatures | None = None) -> int:
    """All rows of a table; with `kept` only those that came since are counted."""
    query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("features", table))
    if kept is not None:
        query += sql.SQL(" WHERE batch > {}").format(sql.Literal(kept.mark))
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0]) + (kept.rows if kept is not None else 0)


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


def _beside(batch: FeatureBatch, given: ImportedLabels, rules: LabelRules) -> Columns:
    """The labels as columns of the batch's rows; a column without any is left out."""
    if not given.ids or not rules.holds_labels:
        return {}
    numbers, texts = given.numbers, given.texts
    if len(given.ids) < len(batch.ids):
        rows = {place: index for index, place in enumerate(zip(batch.ids, batch.rows, strict=True))}
        places = [rows[place] for place in zip(given.ids, given.rows, strict=True)]
        numbers, texts = np.full(len(rows), np.nan), np.full(len(rows), None, np.object_)
        numbers[places], texts[places] = given.numbers, given.texts
    found: dict[str, NDArray[Any]] = {}
    if not np.isnan(numbers).all():
        found["__label_number"] = numbers
    if any(text is not None for text in texts.tolist()):
        found["__label_text"] = texts
    return found


def _add(connection: Connection, table: str, batch: FeatureBatch, mark: int) -> None:
    """Add the rows that are not there yet.

    Nearly always none is there, and COPY straight into the table costs half of what a detour costs.
    After a step back (raw.setbacks, another target, a redrive) some are.
    """
    columns = {
        "request_id": binary_rows.uuids(batch.ids),
        "row": np.array(batch.rows, dtype=np.int32),
        "batch": np.full(len(batch.ids), mark, dtype=np.int64),
        "event_time": batch.times,
        "key": np.array(batch.keys, dtype=np.object_),
        **batch.features,
    }
    into = sql.Identifier("features", table)
    if _has_one_of(connection, into, batch.ids[0], batch.ids[-1]):
        _merge(connection, table, columns)
        return
    try:
        with connection.transaction():  # a savepoint
            binary_rows.copy(connection, into, columns)
    except psycopg.errors.UniqueViolation:
        _merge(connection, table, columns)


def _has_one_of(connection: Connection, table: sql.Identifier, *ids: str) -> bool:
    """Whether these requests have rows already.

    Asked of the first and the last one of a batch: then the server's log need not tell of a refusal
    for every batch that is read again.
    """
    query = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE request_id = ANY(%s::uuid[]))")
    row = connection.execute(query.format(table), (list(ids),)).fetchone()
    return row is not None and bool(row[0])


def _merge(connection: Connection, table: str, columns: Columns) -> None:
    """COPY into a temporary table of this connection, and from there what is missing.

    The table is kept for the next batch: a new one each time bloats the catalog.
    """
    staged, into = sql.Identifier("pg_temp", table), sql.Identifier("features", table)
    found = connection.execute("SELECT to_regclass(%s)", (staged.as_string(connection),)).fetchone()
    if found is None or found[0] is None:
        template = sql.SQL("CREATE TEMPORARY TABLE {} (LIKE {}) ON COMMIT DELETE ROWS")
        connection.execute(template.format(sql.Identifier(table), into))
    binary_rows.copy(connection, staged, columns)
    insert = sql.SQL(
        "INSERT INTO {} ({}) SELECT {} FROM {} ON CONFLICT (request_id, row) DO NOTHING"
    )
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    connection.execute(insert.format(into, names, names, staged))
