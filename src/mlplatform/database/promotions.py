"""Model versions and the promotion record.

What may follow what is decided in `dataapi.promotion`; this file only keeps it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from mlplatform.contracts.promotion import (
    ModelFacts,
    ModelVersion,
    Promotion,
    PromotionRequest,
    State,
)
from mlplatform.database import queries
from mlplatform.database.sessions import Connection

SQL = queries.load("promotions")


def versions(connection: Connection, pipeline: str) -> list[ModelVersion]:
    """All versions of a pipeline, oldest first."""
    return [
        ModelVersion.model_validate(row) for row in _rows(connection, "versions", pipeline=pipeline)
    ]


def add_version(connection: Connection, pipeline: str, facts: ModelFacts) -> ModelVersion:
    """Record a registered version."""
    values = {**facts.model_dump(), "pipeline": pipeline, "metrics": Jsonb(facts.metrics)}
    (row,) = _rows(connection, "add_version", **values)
    return ModelVersion.model_validate(row)


def set_state(
    connection: Connection,
    pipeline: str,
    version: str,
    state: State,
    *,
    gate_digest: str | None = None,
) -> None:
    """Move a version to another state. The database refuses a second champion."""
    connection.execute(
        SQL["set_state"],
        {"pipeline": pipeline, "version": version, "state": state, "gate_digest": gate_digest},
    )


def add_promotion(
    connection: Connection,
    version: ModelVersion,
    request: PromotionRequest,
    *,
    state: State,
    by: str,
    previous: str | None,
) -> Promotion:
    """Add an entry to the promotion record.

    `state` is the version's new one, `previous` the champion before.
    """
    values = {
        "pipeline": version.pipeline,
        "version": version.version,
        "action": request.action,
        "state": state,
        "by": by,
        "why": request.why,
        "gate_digest": request.gate_digest or version.gate_digest,
        "previous": previous,
    }
    (row,) = _rows(connection, "add_promotion", **values)
    return Promotion.model_validate(row)


def history(connection: Connection, pipeline: str) -> list[Promotion]:
    """The promotion record of a pipeline, oldest first."""
    return [
        Promotion.model_validate(row) for row in _rows(connection, "history", pipeline=pipeline)
    ]


def mirrored(connection: Connection, pipeline: str, record: int) -> None:
    """Note that MLflow's aliases equal the record up to the entry `record`."""
    connection.execute(SQL["mirrored"], {"pipeline": pipeline, "id": record})


def promoted_pipelines(connection: Connection) -> Sequence[str]:
    """Pipelines that have a promotion record."""
    return [str(row["pipeline"]) for row in _rows(connection, "promoted_pipelines")]


def _rows(connection: Connection, query: str, **values: Any) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(SQL[query], values).fetchall()
