"""The types of a query's columns: which a row can hold, and as what it is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from psycopg import Column, sql

from mlplatform.errors import InvalidInput

Types = Mapping[int, tuple[str, str]]
"""Of each type's number: its name and kind, as in pg_type."""
_AS_THEY_ARE = {
    *("bool", "int2", "int4", "int8", "float4", "float8"),
    *("text", "date", "timestamp", "timestamptz"),
}
_AS_TEXT = {"varchar", "bpchar", "name", "citext", "uuid"}
_FIXES = {
    "json": "take the values out of it: {name} ->> 'key'",
    "jsonb": "take the values out of it: {name} ->> 'key'",
    "money": "cast it: {name}::numeric",
}
_FIX = "leave it out of the SELECT, or make a number, a text or a time of it, as {name}::text"


def as_single_values(columns: Sequence[Column], types: Types) -> str:
    """The columns as the list of a SELECT, cast where the wire's type is not a row's.

    Raises InvalidInput for a type that no row can hold, and for two columns of one name.
    """
    names = [column.name for column in columns]
    for name in names:
        if names.count(name) > 1:
            raise InvalidInput(
                f"the query gives the column '{name}' twice",
                field="--sql",
                fix="name one of them with AS, or leave it out",
            )
    return ", ".join(_value(column, types) for column in columns)


def _value(column: Column, types: Types) -> str:
    name = sql.Identifier(column.name).as_string(None)
    kind, group = types.get(column.type_code, (column.type_display, ""))
    if kind in _AS_THEY_ARE:
        return name
    if kind in _AS_TEXT or group == "e":
        return f"{name}::text AS {name}"
    if kind == "numeric":
        # Whole numbers keep all of their digits, or are refused by the database.
        whole = column.scale == 0 and column.precision
        return f"{name}::{'int8' if whole else 'float8'} AS {name}"
    raise InvalidInput(
        f"a row can't hold the type {column.type_display if kind.startswith('_') else kind}",
        field=column.name,
        fix=_FIXES.get(kind, _FIX).format(name=name),
    )
