"""Dataset contracts out of control facts: which columns a dataset has, and the SQL expression behind each.

Every pipeline has four datasets (see `contracts.dataset`). The contract hides the tables: a column
is known by its contract name only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

from psycopg import sql

from mlplatform.contracts.columns import Feature
from mlplatform.contracts.dataset import DatasetColumn, DatasetDescription, DatasetKind
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.database import queries
from mlplatform.database.sessions import Connection
from mlplatform.errors import InvalidInput, Refused, Unavailable, UnknownName

SQL = queries.load("datasets")
Described = tuple[DatasetColumn, sql.Composable]
KINDS: tuple[DatasetKind, ...] = get_args(DatasetKind)


@dataclass(frozen=True)
class DatasetSource:
    """A dataset's contract, with where its rows lie.

    `expressions` gives each column's SQL; `time` is the column that windows cut by.
    """

    description: DatasetDescription
    expressions: dict[str, sql.Composable]
    table: str | None  # of the features digest; None: it has none, or etl has not made it yet
    failure: str | None  # why etl can't make it
    time: sql.Composable
    order: tuple[sql.Composable, ...]  # unique

    def ready(self) -> None:
        """Raises Refused or Unavailable when a features dataset has no table yet."""
        if self.description.digest is None or self.table is not None:
            return
        if self.failure:
            raise Refused(
                f"features {self.description.digest[:12]} can't be computed: {self.failure}",
                field="digest",
            )
        raise Unavailable(
            f"features {self.description.digest[:12]} are not there yet; etl makes them",
            field="digest",
            retry_after_s=2.0,
        )


def split(name: str) -> tuple[str, DatasetKind]:
    """Pipeline and kind of a dataset name. Raises UnknownName."""
    pipeline, _, word = name.rpartition(".")
    kind = next((known for known in KINDS if known == word), None)
    if kind is None or not pipeline:
        raise UnknownName(
            f"there is no dataset '{name}'", field="name", fix=f"<pipeline>.{'|'.join(KINDS)}"
        )
    return pipeline, kind


def every(connection: Connection) -> list[DatasetSource]:
    """All datasets of all pipelines, of their present digests."""
    found = connection.execute(SQL["pipelines"]).fetchall()
    return [
        _source(connection, name, kind, definition, digest)
        for name, definition, digest in found
        for kind in KINDS
    ]


def one(connection: Connection, name: str, digest: str | None) -> DatasetSource:
    """One dataset, of that features digest or the pipeline's present one.

    Raises UnknownName, or InvalidInput for a digest where none is.
    """
    pipeline, kind = split(name)
    row = connection.execute(SQL["pipeline"], {"name": pipeline}).fetchone()
    if row is None:
        raise UnknownName(f"there is no pipeline '{pipeline}'", field="name")
    if digest is not None and kind not in ("training", "features"):
        raise InvalidInput(f"dataset '{name}' has no features, so no digest", field="digest")
    return _source(connection, pipeline, kind, row[1], digest or row[2])


def _source(
    connection: Connection, pipeline: str, kind: DatasetKind, document: Any, digest: str
) -> DatasetSource:
    if kind == "requests":
        return _requests(pipeline)
    if kind == "labels":
        return _labels(pipeline, PipelineDefinition.parse(document, where=pipeline))
    row = connection.execute(
        SQL["feature_set"], {"pipeline": pipeline, "digest": digest}
    ).fetchone()
    if row is None:
        raise UnknownName(
            f"pipeline '{pipeline}' has no features digest '{digest}'", field="digest"
        )
    definition, table, features, failure = row
    declared = PipelineDefinition.parse(definition, where=pipeline)
    known = [Feature.model_validate(feature) for feature in features or ()]
    return _features(declared, kind, digest, known, table=table, failure=failure)


def _features(
    definition: PipelineDefinition,
    kind: DatasetKind,
    digest: str,
    features: Sequence[Feature],
    *,
    table: str | None,
    failure: str | None,
) -> DatasetSource:
    columns: list[Described] = [
        (
            DatasetColumn(name="request_id", dtype="uuid", nullable=False),
            sql.SQL("f.request_id::text"),
        ),
        (
            DatasetColumn(
                name="row", dtype="int64", nullable=False, description="Row within the request."
            ),
            sql.SQL("f.row::bigint"),
        ),
        (
            DatasetColumn(name="event_time", dtype="timestamp", nullable=False),
            sql.SQL("f.event_time"),
        ),
    ]
    if definition.key:
        columns.append(
            (
                DatasetColumn(
                    name=definition.key, dtype="string", description="The client's own id."
                ),
                sql.SQL("f.key"),
            )
        )
    columns += [
        (DatasetColumn(name=feature.name, dtype=feature.dtype), sql.Identifier("f", feature.name))
        for feature in features
    ]
    if kind == "training":
        columns.append(_target(definition))
    if twice := _twice(columns):  # told when it is read; the other datasets can still be listed
        table, failure = None, f"it would have two columns '{twice}': rename the feature"
    return DatasetSource(
        description=_describe(definition.name, kind, columns, digest=digest),
        expressions={column.name: expression for column, expression in columns},
        table=table,
        failure=failure,
        time=sql.SQL("f.event_time"),
        order=(sql.SQL("f.request_id"), sql.SQL("f.row")),
    )


def _labels(pipeline: str, definition: PipelineDefinition) -> DatasetSource:
    columns: list[Described] = [
        (
            DatasetColumn(name="request_id", dtype="uuid", nullable=False),
            sql.SQL("l.request_id::text"),
        ),
        (DatasetColumn(name="row", dtype="int64", nullable=False), sql.SQL("l.row::bigint")),
        (
            DatasetColumn(name="labelled_at", dtype="timestamp", nullable=False),
            sql.SQL("l.labelled_at"),
        ),
        (
            DatasetColumn(
                name="source", dtype="string", nullable=False, description="import or feedback."
            ),
            sql.SQL("l.source"),
        ),
        _target(definition),
    ]
    return DatasetSource(
        description=_describe(pipeline, "labels", columns),
        expressions={column.name: expression for column, expression in columns},
        table=None,
        failure=None,
        time=sql.SQL("l.labelled_at"),
        order=(sql.SQL("l.request_id"), sql.SQL("l.row")),
    )


def _requests(pipeline: str) -> DatasetSource:
    plain: list[tuple[str, Any, bool]] = [
        ("source", "string", False), ("version", "string", True), ("caller", "string", False), ("client_id", "string", True),
        ("received_at", "timestamp", False), ("sequence", "int64", True),
    ]  # fmt: skip
    columns: list[Described] = [
        (
            DatasetColumn(name="request_id", dtype="uuid", nullable=False),
            sql.SQL("r.request_id::text"),
        )
    ]
    columns += [
        (DatasetColumn(name=name, dtype=dtype, nullable=null), sql.Identifier("r", name))
        for name, dtype, null in plain
    ]
    columns += [
        (DatasetColumn(name="outbox_id", dtype="uuid"), sql.SQL("r.outbox_id::text")),
        (DatasetColumn(name="rows", dtype="int64", nullable=False), sql.SQL("r.rows::bigint")),
        (
            DatasetColumn(
                name="inputs", dtype="json", nullable=False, description="Column name -> list."
            ),
            sql.SQL("r.inputs::text"),
        ),
        (
            DatasetColumn(
                name="outputs", dtype="json", description="Output name -> list; empty for imports."
            ),
            sql.SQL("r.outputs::text"),
        ),
    ]
    return DatasetSource(
        description=_describe(pipeline, "requests", columns),
        expressions={column.name: expression for column, expression in columns},
        table=None,
        failure=None,
        time=sql.SQL("r.received_at"),
        order=(sql.SQL("r.request_id"),),
    )


def _target(definition: PipelineDefinition) -> Described:
    """The label under the target's name, in the target's type (numbers are stored as double precision)."""
    expressions = {
        "float64": "l.number",
        "int64": "l.number::bigint",
        "bool": "(l.number <> 0)",
        "string": "l.text",
    }
    target = definition.target
    column = DatasetColumn(
        name=target.name,
        dtype=target.dtype,
        nullable=False,
        description="Label." + (f" {target.unit}" * bool(target.unit)),
    )
    return column, sql.SQL(expressions[target.dtype])


def _describe(
    pipeline: str, kind: DatasetKind, columns: Sequence[Described], *, digest: str | None = None
) -> DatasetDescription:
    described = tuple(column for column, _ in columns)
    return DatasetDescription(
        name=f"{pipeline}.{kind}", pipeline=pipeline, kind=kind, digest=digest, columns=described
    )


def _twice(columns: Sequence[Described]) -> str:
    """A name that two columns have; empty when all differ."""
    names = [column.name for column, _ in columns]
    return next((name for name in names if names.count(name) > 1), "")
