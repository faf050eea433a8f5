"""Feature sets: the features digests of each pipeline, and the table that etl makes for each.

`control.feature_sets` says with which definition and commit a digest was applied, in which table
of `features` its rows lie, and why it can't be computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from mlplatform.contracts.columns import DType, Feature
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.database import queries
from mlplatform.database.sessions import Connection, one_line
from mlplatform.errors import Refused, UnknownName

SQL = queries.load("feature_sets")
TYPES: dict[DType, str] = {
    "float64": "double precision",
    "int64": "bigint",
    "string": "text",
    "bool": "boolean",
}
OWN_COLUMNS = (
    "request_id uuid NOT NULL, row integer NOT NULL, batch bigint NOT NULL,"
    " event_time timestamptz NOT NULL, __label_number double precision, key text,"
    " __label_text text"
)
"""Columns of every feature table before its features.

`batch` is the mark of the rows, from which the label of an imported row holds too. No feature can
have such a name as its columns.
"""


@dataclass(frozen=True)
class RecordedSet:
    """A features digest as it was applied.

    `table_name` is None until etl has made the table; `holds_labels`: it has columns for them;
    `current`: the pipeline's present digest.
    """

    pipeline: str
    digest: str
    commit: str
    definition: dict[str, Any]
    table_name: str | None
    features: list[dict[str, Any]] | None
    failure: str | None
    holds_labels: bool
    current: bool


@dataclass(frozen=True)
class LabelRules:
    """Whether a digest reads the target that its pipeline has now, and its table holds labels."""

    reads_target: bool = False
    holds_labels: bool = False


def in_use(connection: Connection) -> list[RecordedSet]:
    """Every digest in use, the current ones first."""
    with connection.cursor(row_factory=class_row(RecordedSet)) as cursor:
        return cursor.execute(SQL["in_use"]).fetchall()


def find(connection: Connection, pipeline: str, digest: str) -> RecordedSet:
    """What is known of a features digest. Raises UnknownName."""
    with connection.cursor(row_factory=class_row(RecordedSet)) as cursor:
        found = cursor.execute(SQL["find"], {"pipeline": pipeline, "digest": digest}).fetchone()
    if found is None:
        raise UnknownName(
            f"features digest {digest} of '{pipeline}' was never applied", field="digest"
        )
    return found


def current_tables(
    connection: Connection, pipeline: str | None
) -> list[tuple[str, str, str | None]]:
    """(pipeline, digest, table) of the current digests, of one pipeline or (None) of all.

    The table is None until etl has made it.
    """
    return connection.execute(SQL["current_tables"], {"pipeline": pipeline}).fetchall()


def record(
    connection: Connection, definition: PipelineDefinition, *, commit: str, digest: str
) -> None:
    """Record the features digest of an applied definition, without an earlier failure."""
    values = {
        "pipeline": definition.name,
        "digest": digest,
        "commit": commit,
        "definition": Jsonb(definition.model_dump(mode="json")),
    }
    connection.execute(SQL["record"], values)


def label_tables(connection: Connection, pipeline: str) -> list[str]:
    """Feature tables of a pipeline, of all its digests, in which labels may lie."""
    found = connection.execute(SQL["label_tables"], {"pipeline": pipeline}).fetchall()
    return [name for (name,) in found]


def label_rules(connection: Connection, pipeline: str, digest: str) -> LabelRules:
    """What to do with the labels of a digest's imported rows; ask it under the mark."""
    values = {"pipeline": pipeline, "digest": digest}
    with connection.cursor(row_factory=class_row(LabelRules)) as cursor:
        return cursor.execute(SQL["label_rules"], values).fetchone() or LabelRules()


def make_table(
    connection: Connection, found: RecordedSet, features: Sequence[Feature], weight: str | None
) -> str:
    """The table of a digest, made if it is missing. `weight` is one more column, no feature.

    Raises Refused when PostgreSQL can't make it.
    """
    key = {"pipeline": found.pipeline, "digest": found.digest}
    row = connection.execute(SQL["lock_set"], key).fetchone()
    if row is not None and row[0] is not None:
        return str(row[0])
    name = f"{found.pipeline.replace('-', '_')}_{found.digest[:12]}"
    more = [] if weight is None else [Feature(name=weight, dtype="float64")]
    try:
        connection.execute(_create(name, [*features, *more]))
        connection.execute(_index(name))
        connection.execute(SQL["count_by_mark"], {"table": name})
    except (psycopg.ProgrammingError, psycopg.errors.TooManyColumns) as error:
        raise Refused(
            f"the feature table of {found.pipeline} can't be made: {one_line(error)}"
        ) from error
    document = Jsonb([feature.model_dump() for feature in features])
    connection.execute(SQL["set_table"], {**key, "table": name, "features": document})
    return name


def set_failure(connection: Connection, pipeline: str, digest: str, failure: str | None) -> None:
    """Say for people why a digest can't be worked on, or with None that it can."""
    connection.execute(
        SQL["set_failure"], {"pipeline": pipeline, "digest": digest, "failure": failure}
    )


def _create(name: str, features: Sequence[Feature]) -> sql.Composed:
    typed = [
        sql.SQL("{} {}").format(sql.Identifier(feature.name), sql.SQL(TYPES[feature.dtype]))
        for feature in features
    ]
    columns = sql.SQL(", ").join(
        [sql.SQL(OWN_COLUMNS), *typed, sql.SQL("PRIMARY KEY (request_id, row)")]
    )
    return sql.SQL("CREATE TABLE IF NOT EXISTS {} ({})").format(
        sql.Identifier("features", name), columns
    )


def _index(name: str) -> sql.Composed:
    """Datasets ask for the latest rows, and for windows of time.

    The time alone: rows of one moment are few enough to be sorted, and share an entry.
    """
    return sql.SQL("CREATE INDEX IF NOT EXISTS {} ON {} (event_time)").format(
        sql.Identifier(f"{name}_time"), sql.Identifier("features", name)
    )
