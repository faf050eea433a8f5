"""Pipelines as they were applied, their features digests, and how far etl is with each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.contracts.pipeline_status import AppliedPipeline
from mlplatform.database import queries
from mlplatform.database.sessions import Connection
from mlplatform.errors import UnknownName

SQL = queries.load("pipelines")
MOST_WAITING = 10_000
"""Requests that are counted per road: whether any waits is what matters, and a backlog of millions is told from one of thousands by nobody."""


@dataclass(frozen=True)
class FeatureSet:
    """A features digest of a pipeline. `table_name` is empty until etl has made the table."""

    pipeline: str
    digest: str
    commit: str
    table_name: str | None
    features: list[dict[str, Any]] | None
    failure: str | None
    created_at: datetime


@dataclass(frozen=True)
class Progress:
    """How far etl is in one partition, with cumulative counts of rows."""

    topic: str
    partition: int
    next_offset: int
    featured: int
    quarantined: int


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
        connection.execute(
            SQL["read_again"], values
        )  # before the mark: a batch of etl holds its place when it takes the mark
        connection.execute(SQL["next_mark"])
    connection.execute(SQL["apply"], values)
    connection.execute(SQL["apply_feature_set"], values)


def find(connection: Connection, name: str, *, lock: bool = False) -> AppliedPipeline:
    """The pipeline of that name.

    Raises UnknownName. With `lock`, others that lock it wait until this transaction ends.
    """
    with connection.cursor(row_factory=class_row(AppliedPipeline)) as cursor:
        found = cursor.execute(SQL["lock" if lock else "find"], {"name": name}).fetchone()
    if found is None:
        raise UnknownName(
            f"no pipeline '{name}' was applied", field="pipeline", fix="mlplatform apply"
        )
    return found


def all_applied(connection: Connection) -> Sequence[AppliedPipeline]:
    """All pipelines by name."""
    with connection.cursor(row_factory=class_row(AppliedPipeline)) as cursor:
        return cursor.execute(SQL["all"]).fetchall()


def feature_set(connection: Connection, pipeline: str, digest: str) -> FeatureSet:
    """What is known of a features digest. Raises UnknownName."""
    with connection.cursor(row_factory=class_row(FeatureSet)) as cursor:
        found = cursor.execute(
            SQL["feature_set"], {"pipeline": pipeline, "digest": digest}
        ).fetchone()
    if found is None:
        raise UnknownName(
            f"features digest {digest} of '{pipeline}' was never applied", field="digest"
        )
    return found


def progress(connection: Connection, pipeline: str, digest: str) -> Sequence[Progress]:
    """How far etl is with a digest, per partition; partitions that it has not begun are missing."""
    with connection.cursor(row_factory=class_row(Progress)) as cursor:
        return cursor.execute(SQL["progress"], {"pipeline": pipeline, "digest": digest}).fetchall()


def mark(connection: Connection) -> int:
    """The newest closed mark of the warehouse: everything that was committed before is at or below it."""
    row = connection.execute(SQL["mark"]).fetchone()
    assert row is not None
    return int(row[0])


def waiting(
    raw: Connection, pipeline: str, passed: Sequence[Progress], *, stored_before: datetime | None
) -> int:
    """Requests in the raw database that etl has not passed yet, of those stored at or before `stored_before`; at most MOST_WAITING a road."""
    values = {
        "pipeline": pipeline,
        "topics": [item.topic for item in passed],
        "partitions": [item.partition for item in passed],
        "nexts": [item.next_offset for item in passed],
        "stored_before": stored_before,
        "most": MOST_WAITING,
    }
    row = raw.execute(SQL["waiting"], values).fetchone()
    assert row is not None
    return int(row[0])
