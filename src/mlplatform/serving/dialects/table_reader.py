"""Slow reading of tables in the forms of `table_forms`: names what is wrong, by row and column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mlplatform.contracts.model import Signature
from mlplatform.errors import InvalidInput
from mlplatform.serving.dialects import diagnose
from mlplatform.serving.dialects.table_forms import JsonTable


class TableReader:
    """Reads decoded JSON. Methods raise InvalidInput; `where` is the way to the table."""

    def __init__(self, signature: Signature) -> None:
        self._columns = signature.inputs
        self._names = [column.name for column in signature.inputs]
        self._extras = signature.beside
        self._dropped = signature.dropped

    def objects(self, rows: Any, where: str) -> JsonTable:
        """Rows that are objects of column and value."""
        for index, row in enumerate(_some(rows, where)):
            if not isinstance(row, dict):
                raise InvalidInput(
                    f"row {index} must be an object of column and value", field=f"{where}[{index}]"
                )
            self._refuse_names(row, f"row {index}: ", f"{where}[{index}]")
        pattern = where + "[{row}].{column}"
        inputs = {name: [row[name] for row in rows] for name in self._names}
        columns = diagnose.columns(inputs, self._columns, pattern)
        sent = [name for name in self._extras if any(name in row for row in rows)]
        extras = {
            name: self._scalars([row.get(name) for row in rows], name, pattern) for name in sent
        }
        return JsonTable(columns, len(rows), extras)

    def rows(self, rows: Any, where: str) -> JsonTable:
        """Rows that are objects, lists in the order of the signature, or single values."""
        some = enumerate(_some(rows, where))
        return self.objects([self._object(row, index, where) for index, row in some], where)

    def columns(self, found: Any, where: str) -> JsonTable:
        """An object of columns, each a list of values."""
        if not isinstance(found, dict):
            raise InvalidInput("must be an object of column and list of values", field=where)
        self._refuse_names(found, "", where)
        _refuse_lengths(found, self._names[0], where)
        pattern = where + ".{column}[{row}]"
        inputs = {name: found[name] for name in self._names}
        columns = diagnose.columns(inputs, self._columns, pattern)
        sent = [name for name in self._extras if name in found]
        extras = {name: self._scalars(found[name], name, pattern) for name in sent}
        return JsonTable(columns, len(columns[0]), extras)

    def rows_or_columns(self, found: Any, where: str) -> JsonTable:
        """A list of rows, or an object of columns."""
        return self.columns(found, where) if isinstance(found, dict) else self.rows(found, where)

    def split(self, found: Any, where: str) -> JsonTable:
        """As pandas writes a table with orient="split"; the index is not used."""
        if not isinstance(found, dict):
            raise InvalidInput("must be an object of columns and data", field=where)
        diagnose.refuse_unknown(found, ("columns", "data", "index"), where)
        names = self._split_names(found.get("columns"), f"{where}.columns")
        rows = _some(found.get("data"), f"{where}.data")
        for index, row in enumerate(rows):
            _refuse_width(row, names, index, f"{where}.data[{index}]")
        table = self.objects([dict(zip(names, row, strict=True)) for row in rows], f"{where}.data")
        labels = found.get("index")
        if labels is not None and not (isinstance(labels, list) and len(labels) == len(rows)):
            raise InvalidInput("must be a list of one label per row", field=f"{where}.index")
        return table

    def _split_names(self, names: Any, where: str) -> list[str]:
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InvalidInput("must be a list of column names", field=where)
        refuse_twice(names, where)
        self._refuse_names(names, "", where)
        return names

    def _object(self, row: Any, index: int, where: str) -> Any:
        """The row as an object, if it can be made one."""
        if isinstance(row, dict):
            return row
        listed = row if isinstance(row, list) or len(self._names) > 1 else [row]
        _refuse_width(listed, self._names, index, f"{where}[{index}]")
        return dict(zip(self._names, listed, strict=True))

    def _scalars(self, values: Sequence[Any], name: str, pattern: str) -> list[Any]:
        return diagnose.scalars(values, name, pattern, flags=name in self._dropped)

    def _refuse_names(self, given: Iterable[str], what: str, where: str) -> None:
        refuse_names(given, self._names, self._extras, what=what, where=where)


def refuse_names(
    given: Iterable[str], names: Sequence[str], extras: Sequence[str], *, what: str, where: str
) -> None:
    """Raise InvalidInput unless `given` holds every name, and others from `extras` only."""
    found = set(given)
    missing = [name for name in names if name not in found]
    if missing:
        raise InvalidInput(
            f"{what}missing column {', '.join(missing)}", field=f"{where}.{missing[0]}"
        )
    unknown = sorted(found - {*names, *extras})
    if unknown:
        raise InvalidInput(
            f"{what}unknown column {', '.join(unknown)}",
            field=f"{where}.{unknown[0]}",
            fix=f"columns are {', '.join(names)}",
        )


def refuse_twice(names: Sequence[str], where: str) -> None:
    """Raise InvalidInput for a column that a header names twice."""
    twice = [name for index, name in enumerate(names) if name in names[:index]]
    if twice:
        raise InvalidInput(f"column {twice[0]} comes twice", field=where)


def _some(rows: Any, where: str) -> list[Any]:
    if not isinstance(rows, list) or not rows:
        raise InvalidInput("must be a list of at least one row", field=where)
    return rows


def _refuse_width(row: Any, names: Sequence[str], index: int, where: str) -> None:
    if not isinstance(row, list) or len(row) != len(names):
        has = f"has {len(row)}" if isinstance(row, list) else "must be a list of"
        raise InvalidInput(
            f"row {index} {has} values, there are {len(names)} columns: {', '.join(names)}",
            field=where,
        )


def _refuse_lengths(found: Mapping[str, Any], first: str, where: str) -> None:
    for name, values in {first: found[first], **found}.items():
        if not isinstance(values, list):
            raise InvalidInput(f"column {name} must be a list of values", field=f"{where}.{name}")
        if not values:
            raise InvalidInput(f"column {name} must hold at least one row", field=f"{where}.{name}")
        if len(values) != len(found[first]):
            raise InvalidInput(
                f"column {name} has {len(values)} values, column {first} has {len(found[first])}",
                field=f"{where}.{name}",
            )
