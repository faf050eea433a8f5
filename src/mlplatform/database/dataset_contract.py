"""Dataset contracts: which columns a dataset has, and the SQL expression behind each.

Every pipeline has four datasets (see `contracts.dataset`). The contract hides the tables: a column
is known by its contract name only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, LiteralString, get_args

from psycopg import sql

from mlplatform.contracts.columns import Feature
from mlplatform.contracts.dataset import DatasetColumn, DatasetDescription, DatasetKind
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.contracts.pipeline_status import AppliedPipeline
from mlplatform.database import feature_sets, pipelines
from mlplatform.database.feature_sets import RecordedSet
from mlplatform.database.sessions import Connection
from mlplatform.errors import InvalidInput, Refused, Unavailable, UnknownName

Described = tuple[DatasetColumn, sql.Composable]
_NUMBER: LiteralString = "(CASE WHEN l.valid_from IS NULL THEN f.__label_number ELSE l.number END)"
_TEXT: LiteralString = "(CASE WHEN l.valid_from IS NULL THEN f.__label_text ELSE l.text END)"
KINDS: tuple[DatasetKind, ...] = get_args(DatasetKind)


@dataclass(frozen=True)
class DatasetSource:
    """A dataset's contract, with where its rows lie.

    `expressions` gives each column's SQL; `time` is the column that windows cut by.
    """

    description: DatasetDescription
    expressions: dict[str, sql.Composable]
    time: sql.Composable
    order: tuple[sql.Composable, ...]  # unique
    table: str | None = (
        None  # of the features digest; None: it has none, or etl has not made it yet
    )
    failure: str | None = None  # why etl can't make it
    label_tables: tuple[str, ...] = ()  # feature tables in which labels may lie, that it reads

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
    return [
        _source(connection, pipeline, kind, pipeline.features_digest)
        for pipeline in pipelines.all_applied(connection)
        for kind in KINDS
    ]


def one(connection: Connection, name: str, digest: str | None) -> DatasetSource:
    """One dataset, of that features digest or the pipeline's present one.

    Raises UnknownName, or InvalidInput for a digest where none is.
    """
    word, kind = split(name)
    pipeline = pipelines.get(connection, word)
    if pipeline is None:
        raise UnknownName(f"there is no pipeline '{word}'", field="name")
    if digest is not None and kind not in ("training", "features"):
        raise InvalidInput(f"dataset '{name}' has no features, so no digest", field="digest")
    return _source(connection, pipeline, kind, digest or pipeline.features_digest)


def _source(
    connection: Connection, pipeline: AppliedPipeline, kind: DatasetKind, digest: str
) -> DatasetSource:
    if kind == "requests":
        return _requests(pipeline.name)
    if kind == "labels":
        found = feature_sets.label_tables(connection, pipeline.name)
        return replace(_labels(pipeline.parsed()), label_tables=tuple(found))
    return _features(feature_sets.find(connection, pipeline.name, digest), kind)


def _features(found: RecordedSet, kind: DatasetKind) -> DatasetSource:
    """Feature rows, for `training` with the label beside them."""
    definition = PipelineDefinition.parse(found.definition, where=found.pipeline)
    columns = [
        _column("request_id", "uuid", "f.request_id::text", nullable=False),
        _column("row", "int64", "f.row::bigint", "Row within the request.", nullable=False),
        _column("event_time", "timestamp", "f.event_time", nullable=False),
    ]
    if definition.key:
        columns.append(_column(definition.key, "string", "f.key", "The client's own id."))
    for feature in map(Feature.model_validate, found.features or ()):
        column = DatasetColumn(name=feature.name, dtype=feature.dtype)
        columns.append((column, sql.Identifier("f", feature.name)))
    if definition.weight:
        weight = DatasetColumn(name=definition.weight, dtype="float64", description="Weight.")
        columns.append((weight, sql.Identifier("f", definition.weight)))
    if kind == "training":
        columns.append(_target(definition, beside=found.holds_labels))
    source = _dataset(definition.name, kind, columns, alias="f", time="event_time")
    source = replace(source, label_tables=(found.table_name or "",) * found.holds_labels)
    description = source.description.model_copy(update={"digest": found.digest})
    if twice := _twice(columns):  # refused when it is read; the others can still be listed
        failure = f"it would have two columns '{twice}': rename the feature"
        return replace(source, description=description, failure=failure)
    return replace(source, description=description, table=found.table_name, failure=found.failure)


def _labels(definition: PipelineDefinition) -> DatasetSource:
    columns = [
        _column("request_id", "uuid", "l.request_id::text", nullable=False),
        _column("row", "int64", "l.row::bigint", nullable=False),
        _column("labelled_at", "timestamp", "l.labelled_at", nullable=False),
        _column("source", "string", "l.source", "import or feedback.", nullable=False),
        _target(definition),
    ]
    return _dataset(definition.name, "labels", columns, alias="l", time="labelled_at")


def _requests(pipeline: str) -> DatasetSource:
    columns = [
        _column("request_id", "uuid", "r.request_id::text", nullable=False),
        _column("source", "string", "r.source", nullable=False),
        _column("version", "string", "r.version"),
        _column("caller", "string", "r.caller", nullable=False),
        _column("client_id", "string", "r.client_id"),
        _column("received_at", "timestamp", "r.received_at", nullable=False),
        _column("sequence", "int64", "r.sequence"),
        _column("outbox_id", "uuid", "r.outbox_id::text"),
        _column("rows", "int64", "r.rows::bigint", nullable=False),
        _column("inputs", "json", "r.inputs::text", "Column name -> list.", nullable=False),
        _column("outputs", "json", "r.outputs::text", "Output name -> list; empty for imports."),
    ]
    return _dataset(pipeline, "requests", columns, alias="r", time="received_at")


def _target(definition: PipelineDefinition, *, beside: bool = False) -> Described:
    """The label under the target's name and in its type; numbers are stored as double precision.

    `beside`: it may lie in the feature row, where it holds while warehouse.labels says nothing.
    """
    number, text = ("l.number", "l.text") if not beside else (_NUMBER, _TEXT)
    expressions = {
        "float64": "{number}",
        "int64": "{number}::bigint",
        "bool": "({number} <> 0)",
        "string": "{text}",
    }
    target = definition.target
    column = DatasetColumn(
        name=target.name,
        dtype=target.dtype,
        nullable=False,
        description="Label." + (f" {target.unit}" * bool(target.unit)),
    )
    values = {"number": sql.SQL(number), "text": sql.SQL(text)}
    return column, sql.SQL(expressions[target.dtype]).format(**values)


def _column(
    name: str,
    dtype: Any,
    expression: LiteralString,
    description: str = "",
    *,
    nullable: bool = True,
) -> Described:
    """A column of the contract, with the expression behind it: our own SQL, never a request's."""
    column = DatasetColumn(name=name, dtype=dtype, nullable=nullable, description=description)
    return column, sql.SQL(expression)


def _dataset(
    pipeline: str, kind: DatasetKind, columns: Sequence[Described], *, alias: str, time: str
) -> DatasetSource:
    """A dataset whose rows stand in the order of (request_id, row); a request has no row."""
    names = ("request_id",) if kind == "requests" else ("request_id", "row")
    return DatasetSource(
        description=DatasetDescription(
            name=f"{pipeline}.{kind}",
            pipeline=pipeline,
            kind=kind,
            columns=tuple(column for column, _ in columns),
        ),
        expressions={column.name: expression for column, expression in columns},
        time=sql.Identifier(alias, time),
        order=tuple(sql.Identifier(alias, name) for name in names),
    )


def _twice(columns: Sequence[Described]) -> str:
    """A name that two columns have; empty when all differ."""
    names = [column.name for column, _ in columns]
    return next((name for name in names if names.count(name) > 1), "")
