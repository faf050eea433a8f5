"""The statement of a dataset read.

The fast path (COPY in binary form) takes no parameters, so values go in as literals: numbers and
times that pydantic has checked, quoted by psycopg. Names are quoted identifiers that come from a
contract, never from a request.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from psycopg import sql

from mlplatform.contracts.dataset import DatasetQuery
from mlplatform.database import queries
from mlplatform.database.dataset_contract import DatasetSource
from mlplatform.errors import InvalidInput

SQL = queries.load("datasets")
KEY = "__key"
"""No column of a contract begins with these."""


def columns(source: DatasetSource, query: DatasetQuery) -> tuple[str, ...]:
    """The columns of a query, in its order.

    Raises InvalidInput for one that the contract does not have, or named twice.
    """
    if query.columns is None:
        return tuple(source.expressions)
    if not query.columns:
        raise InvalidInput("no column was named", field="columns")
    for name in query.columns:
        if name not in source.expressions:
            raise InvalidInput(
                f"{source.description.name} has no column '{name}'",
                field="columns",
                fix=f"one of {', '.join(source.expressions)}",
            )
        if query.columns.count(name) > 1:
            raise InvalidInput(f"column '{name}' was named twice", field="columns")
    return query.columns


def statement(
    source: DatasetSource, query: DatasetQuery, *, as_of: int, keyed: bool = False
) -> str:
    """SQL that selects the rows of a query as they stood at a mark.

    `keyed`: with the request id in a last column KEY, by which rows of several servers are merged.
    """
    names = columns(source, query)
    expressions = {**source.expressions, KEY: sql.SQL("{}::text").format(source.order[0])}
    if keyed:
        names = (*names, KEY)
    parts: dict[str, sql.Composable] = {
        "columns": sql.SQL(", ").join(
            sql.SQL("{} AS {}").format(expressions[name], sql.Identifier(name)) for name in names
        ),
        "source": _rows(source, as_of),
        "window": _window(source, query),
        "order": sql.SQL(", ").join(source.order),
    }
    if query.limit is None:
        return _text(sql.SQL(SQL["select_all"].rstrip(";")).format(**parts))
    parts |= _latest(source, names, query.limit)
    return _text(sql.SQL(SQL["select_latest"].rstrip(";")).format(**parts))


def latest_keys(source: DatasetSource, query: DatasetQuery, *, as_of: int) -> str:
    """SQL for the time and request id of the latest rows, at most `query.limit`, newest first."""
    return _text(
        sql.SQL(SQL["select_latest_keys"].rstrip(";")).format(
            time=source.time,
            id=source.order[0],
            key=sql.Identifier(KEY),
            source=_rows(source, as_of),
            window=_window(source, query),
            limit=sql.Literal(query.limit),
        )
    )


def _latest(source: DatasetSource, names: Sequence[str], limit: int) -> dict[str, sql.Composable]:
    """The inner select also gives the dataset's order, under names that no column begins with."""
    keys = [sql.Identifier(f"__{number}") for number in range(len(source.order))]
    ordered = zip(source.order, keys, strict=True)
    newest = (source.time, *source.order)
    return {
        "names": sql.SQL(", ").join(sql.Identifier(name) for name in names),
        "keys": sql.SQL(", ").join(sql.SQL("{} AS {}").format(*pair) for pair in ordered),
        "key_names": sql.SQL(", ").join(keys),
        "latest": sql.SQL(", ").join(sql.SQL("{} DESC").format(part) for part in newest),
        "limit": sql.Literal(limit),
    }


def _rows(source: DatasetSource, as_of: int) -> sql.Composed:
    kind: str = source.description.kind
    if kind == "training" and not source.label_tables:
        kind = "training_apart"
    return _part(
        f"from_{kind}",
        table=sql.Identifier(source.table or ""),
        pipeline=sql.Literal(source.description.pipeline),
        mark=sql.Literal(as_of),
        parts=_labels(source, as_of) if kind == "labels" else sql.SQL(""),
    )


def _labels(source: DatasetSource, as_of: int) -> sql.Composed:
    """Labels from wherever they lie."""
    values = {"pipeline": sql.Literal(source.description.pipeline), "mark": sql.Literal(as_of)}
    tables = [sql.Identifier(table) for table in source.label_tables]
    parts = [_part("labels_open", **values)]
    for index, table in enumerate(tables):
        before = [_part("not_before", table=other, **values) for other in tables[:index]]
        joined = sql.SQL(" ").join(before)
        parts.append(_part("labels_beside", table=table, before=joined, **values))
    return sql.SQL(" UNION ALL ").join(parts)


def _part(name: str, **values: sql.Composable) -> sql.Composed:
    return sql.SQL(SQL[name].rstrip(";")).format(**values)


def _window(source: DatasetSource, query: DatasetQuery) -> sql.Composed:
    bounds = [(">=", query.since), ("<", query.until)]
    return sql.Composed(
        [
            sql.SQL(" AND {} {} {}").format(
                source.time, sql.SQL(operator), sql.Literal(_zoned(moment))
            )
            for operator, moment in bounds
            if moment is not None
        ]
    )


def _zoned(moment: datetime) -> datetime:
    """A time without a zone means UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _text(composed: sql.Composed) -> str:
    return composed.as_string(None)
