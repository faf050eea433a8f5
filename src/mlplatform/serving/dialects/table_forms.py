"""JSON forms of a table that several dialects share, typed by the signature.

A row is an object of column and value, a list in the order of the signature, or, where there is
only one column, its value alone. A table may also be an object of columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import astuple

from mlplatform.contracts.model import Signature
from mlplatform.serving.dialects.json_types import SCALAR, beside_types, json_type


class JsonTable(NamedTuple):
    """A table that was read: `columns` in the declared order, and how many keys its JSON has."""

    columns: Sequence[Sequence[Any]]
    rows: int
    extras: Mapping[str, Sequence[Any]]
    keys: int = 0


class TableForms:
    """Types for decoders of one signature, which accept only what is certainly right."""

    def __init__(self, signature: Signature) -> None:
        types = {
            column.name: json_type(column.dtype, nullable=column.nullable)
            for column in signature.inputs
        }
        self._names = list(types)
        self._width = len(types)
        beside = beside_types(signature)
        self._extras = list(beside)
        listed: Any = tuple[tuple(types.values())]  # type: ignore[misc]  # made at run time
        self.record = self._struct("RowObject", types, beside)
        self.columnar = self._struct(
            "ColumnObject",
            {name: list[kind] for name, kind in types.items()},  # type: ignore[valid-type]
            {name: list[kind] for name, kind in beside.items()},  # type: ignore[valid-type]
        )
        split: list[Any] = [("columns", list[str]), ("data", list[listed])]
        split += [("index", list[SCALAR] | msgspec.UnsetType, msgspec.UNSET)]
        self.split = msgspec.defstruct("SplitObject", split, forbid_unknown_fields=True)
        # Not the single value of one column: msgspec 0.22 fails with a SystemError in a union of a
        # tuple and a bounded whole number.
        self.row: Any = self.record | listed

    def _struct(self, title: str, types: Mapping[str, Any], beside: Mapping[str, Any]) -> Any:
        """Fields bear numbers, since a column may be called like a Python keyword."""
        named: list[Any] = [(name, kind, msgspec.NODEFAULT) for name, kind in types.items()]
        named += [(name, kind | msgspec.UnsetType, msgspec.UNSET) for name, kind in beside.items()]
        fields = [
            (f"c{place}", kind, msgspec.field(name=name, default=default))
            for place, (name, kind, default) in enumerate(named)
        ]
        return msgspec.defstruct(title, fields, forbid_unknown_fields=True)

    def of_rows(self, rows: Sequence[Any]) -> JsonTable | None:
        """The table of decoded rows; None where it is not certain that they are right."""
        kinds = set(map(type, rows))
        if len(kinds) != 1:  # none at all, or some as lists and some as objects
            return None
        kind = kinds.pop()
        if kind is tuple:
            return JsonTable(list(zip(*rows, strict=True)), len(rows), {})
        columns = list(zip(*map(astuple, rows), strict=True))
        return self._parts(columns, len(rows), len(rows))

    def of_columns(self, found: Any) -> JsonTable | None:
        """The table of decoded columns; None where it is not certain that they are right."""
        columns = astuple(found)
        lengths = {len(values) for values in columns if values is not msgspec.UNSET}
        rows = lengths.pop()
        if lengths or not rows:
            return None
        unset = [(msgspec.UNSET,) * rows if one is msgspec.UNSET else one for one in columns]
        return self._parts(unset, rows, 1)

    def of_rows_or_columns(self, found: Any) -> JsonTable | None:
        """The table of either."""
        return self.of_rows(found) if isinstance(found, list) else self.of_columns(found)

    def of_split(self, found: Any) -> JsonTable | None:
        """The table of a decoded split object; None unless its columns are the declared ones."""
        labels = () if found.index is msgspec.UNSET else (found.index,)
        if found.columns != self._names or any(len(one) != len(found.data) for one in labels):
            return None
        table = self.of_rows(found.data)
        return table and table._replace(keys=2 + len(labels))

    def _parts(self, columns: Sequence[Sequence[Any]], rows: int, objects: int) -> JsonTable:
        """Declared columns and extras apart; an extra is null in the rows that lack it."""
        extras: dict[str, list[Any]] = {}
        lacking = 0
        for name, values in zip(self._extras, columns[self._width :], strict=True):
            unset = values.count(msgspec.UNSET)
            lacking += unset * objects // rows
            if unset < rows:
                extras[name] = [None if item is msgspec.UNSET else item for item in values]
        keys = objects * len(columns) - lacking
        return JsonTable(columns[: self._width], rows, extras, keys)
