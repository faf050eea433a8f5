"""Pipelines as they were applied."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.contracts.pipeline_status import AppliedPipeline
from mlplatform.database import feature_sets, marks, progress, queries
from mlplatform.database.sessions import Connection
from mlplatform.errors import UnknownName

SQL = queries.load("pipelines")


def apply(
    connection: Connection, definition: PipelineDefinition, *, commit: str, digest: str, caller: str
) -> None:
    """Record a definition with its features digest.

    With another target than before, the imports' labels are read again.
    """
    document = definition.model_dump(mode="json")
    values = {
        "name": definition.name,
        "definition": Jsonb(document),
        "commit": commit,
        "digest": digest,
        "caller": caller,
    }
    former = connection.execute(SQL["former_target"], values).fetchone()
    if former is not None and former[0] != document["target"]:
        # Before the mark: a batch of etl holds its cursor when it takes the mark.
        progress.restart_imports(connection, definition.name, digest)
        # Batches of etl, which decide under the mark whose target holds, are over or see this one.
        marks.next_mark(connection)
    connection.execute(SQL["apply"], values)
    feature_sets.record(connection, definition, commit=commit, digest=digest)


def find(connection: Connection, name: str, *, lock: bool = False) -> AppliedPipeline:
    """The pipeline of that name.

    Raises UnknownName. With `lock`, others that lock it wait until this transaction ends.
    """
    found = get(connection, name, lock=lock)
    if found is None:
        raise UnknownName(
            f"no pipeline '{name}' was applied", field="pipeline", fix="mlplatform apply"
        )
    return found


def get(connection: Connection, name: str, *, lock: bool = False) -> AppliedPipeline | None:
    """The same; None for an unknown name."""
    with connection.cursor(row_factory=class_row(AppliedPipeline)) as cursor:
        return cursor.execute(SQL["lock" if lock else "find"], {"name": name}).fetchone()


def all_applied(connection: Connection) -> Sequence[AppliedPipeline]:
    """All pipelines by name."""
    with connection.cursor(row_factory=class_row(AppliedPipeline)) as cursor:
        return cursor.execute(SQL["all"]).fetchall()
