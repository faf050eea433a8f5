"""Features digests as etl sees them: definition, commit, and the table that etl makes on first sight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from mlplatform.contracts.columns import DType, Feature
from mlplatform.database import queries
from mlplatform.database.pools import Connection, one_line
from mlplatform.errors import Refused

SQL = queries.load("featuring")
TYPES: dict[DType, str] = {
    "float64": "double precision",
    "int64": "bigint",
    "string": "text",
    "bool": "boolean",
}


@dataclass(frozen=True)
class RecordedSet:
    """A features digest as it was applied. `current`: the pipeline's newest."""

    pipeline: str
    digest: str
    commit: str
    definition: dict[str, Any]
    table_name: str | None
    features: list[dict[str, Any]] | None
    failure: str | None
    current: bool


def recorded(connection: Connection) -> list[RecordedSet]:
    """Every digest in use, the current ones first."""
    with connection.cursor(row_factory=class_row(RecordedSet)) as cursor:
        return cursor.execute(SQL["sets"]).fetchall()


def make_table(
    connection: Connection, pipeline: str, digest: str, features: Sequence[Feature]
) -> str:
    """The table of a digest, made if it is missing.

    Raises Refused when PostgreSQL can't make it (more than about 1,600 features).
    """
    row = connection.execute(SQL["lock_set"], {"pipeline": pipeline, "digest": digest}).fetchone()
    if row is not None and row[0] is not None:
        return str(row[0])
    name = f"{pipeline.replace('-', '_')}_{digest[:12]}"
    try:
        connection.execute(_create(name, features))
        connection.execute(_index(name))
    except (psycopg.ProgrammingError, psycopg.errors.TooManyColumns) as error:
        raise Refused(
            f"the feature table of {pipeline} can't be made: {one_line(error)}"
        ) from error
    document = Jsonb([feature.model_dump() for feature in features])
    connection.execute(
        SQL["set_table"],
        {"pipeline": pipeline, "digest": digest, "table": name, "features": document},
    )
    return name


def set_failure(connection: Connection, pipeline: str, digest: str, failure: str | None) -> None:
    """Say for people why a digest can't be worked on, or with None that it can."""
    connection.execute(
        SQL["set_failure"], {"pipeline": pipeline, "digest": digest, "failure": failure}
    )


def _create(name: str, features: Sequence[Feature]) -> sql.Composed:
    own = "request_id uuid NOT NULL, row integer NOT NULL, batch bigint NOT NULL, event_time timestamptz NOT NULL, key text"
    typed = [
        sql.SQL("{} {}").format(sql.Identifier(feature.name), sql.SQL(TYPES[feature.dtype]))
        for feature in features
    ]
    columns = sql.SQL(", ").join([sql.SQL(own), *typed, sql.SQL("PRIMARY KEY (request_id, row)")])
    return sql.SQL("CREATE TABLE IF NOT EXISTS {} ({})").format(
        sql.Identifier("features", name), columns
    )


def _index(name: str) -> sql.Composed:
    """Datasets ask for the latest rows, and for windows of time."""
    return sql.SQL("CREATE INDEX IF NOT EXISTS {} ON {} (event_time, request_id, row)").format(
        sql.Identifier(f"{name}_time"), sql.Identifier("features", name)
    )
