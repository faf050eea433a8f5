"""A file of rows as columns, each with the type that a pipeline would declare.

Texts of a CSV file get a type by what stands in them, read as an import reads them; the other
formats say their types themselves.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from mlplatform.client.files.inputs import InputFile, input_file, plain_stream
from mlplatform.client.files.tables import open_table
from mlplatform.contracts.naming import other_name, plain_name
from mlplatform.draft.texts import typed
from mlplatform.errors import InvalidInput

Kind = Literal["float64", "int64", "string", "bool", "time"]
MOST_ROWS = 1_000_000
"""Rows that are looked at: the first ones. More would not change what is written about them."""


@dataclass(frozen=True)
class TableColumn:
    """One column of a file.

    `cells` is float64 with NaN for null, int64, bool, or an object array of texts with None for
    null; times are texts. `odd` are texts in a column of numbers, which became nulls here.
    """

    given: str  # its name in the file
    name: str
    kind: Kind
    cells: NDArray[Any]
    nulls: int = 0
    odd: tuple[str, ...] = ()

    @cached_property
    def distinct(self) -> list[Any]:
        """Its values without nulls, each once, in their order, as Python has them."""
        values: list[Any] = np.unique(self.present).tolist()
        return [int(value) for value in values] if self.kind == "int64" else values

    @property
    def present(self) -> NDArray[Any]:
        """Its values without nulls."""
        if self.cells.dtype == np.float64:
            numbers: NDArray[Any] = self.cells[~np.isnan(self.cells)]
            return numbers
        if self.cells.dtype != np.object_:
            return self.cells
        present: NDArray[Any] = self.cells[[value is not None for value in self.cells]]
        return present


def read_table(file: Path) -> list[TableColumn]:
    """The columns of a CSV, Parquet, NDJSON or Arrow file, in its order; also of .gz and .zst.

    Raises InvalidInput when it is none, holds no rows, or a column of lists; SettingsError when it
    can't be read.
    """
    found = input_file(file)
    try:
        table = _READERS.get(found.kind.format, _arrow)(found)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise InvalidInput(f"can't read {file}: {error}", field="--from") from error
    if not table.num_rows:
        raise InvalidInput(f"{file} holds no rows", field="--from")
    return _columns(table, from_texts=found.kind.format == "csv")


def _columns(table: pa.Table, *, from_texts: bool) -> list[TableColumn]:
    columns: dict[str, TableColumn] = {}
    for given in table.column_names:
        if table.column_names.count(given) > 1:
            raise InvalidInput(f"the file has the column '{given}' twice", field="--from")
        name = other_name(plain_name(given), columns)
        found = _texts(given, name, table[given]) if from_texts else _typed(given, name, table)
        columns[name] = found
    return list(columns.values())


def _texts(given: str, name: str, column: pa.ChunkedArray) -> TableColumn:
    kind, values, odd = typed(np.array(column.to_pylist(), dtype=np.object_))
    return TableColumn(given, name, kind, values, _nulls(values), odd)


def _typed(given: str, name: str, table: pa.Table) -> TableColumn:
    column = table[given]
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = _kind(column)
    if kind is None:
        raise InvalidInput(
            f"column '{given}' holds {column.type}, and a row holds single values",
            field="--from",
            fix="spread it over columns, or leave it out",
        )
    if kind in ("string", "time"):
        kind, cells = _of_texts(column, kind)
    else:
        cells = _numbers(column, kind)
    return TableColumn(given, name, kind, cells, _nulls(cells))


def _kind(column: pa.ChunkedArray) -> Kind | None:
    of = column.type
    if pa.types.is_boolean(of):
        return "string" if column.null_count else "bool"
    if pa.types.is_integer(of):
        return "float64" if column.null_count else "int64"
    if pa.types.is_floating(of) or pa.types.is_decimal(of) or pa.types.is_null(of):
        return "float64"
    if pa.types.is_temporal(of) and not (pa.types.is_duration(of) or pa.types.is_time(of)):
        return "time"
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return "string" if any(test(of) for test in texts) else None


def _numbers(column: pa.ChunkedArray, kind: Kind) -> NDArray[Any]:
    if kind == "float64":
        return np.array(column.cast(pa.float64()).fill_null(np.nan).to_numpy(), np.float64)
    return np.array(column.to_numpy(), np.int64 if kind == "int64" else np.bool_)


def _of_texts(column: pa.ChunkedArray, kind: Kind) -> tuple[Kind, NDArray[Any]]:
    """Texts may be times, too; times become texts."""
    texts = [None if value is None else _text(value) for value in column.to_pylist()]
    cells = np.array(texts, np.object_)
    return (kind if kind == "time" else typed(cells, numbers=False)[0]), cells


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else str(value.isoformat())


def _nulls(values: NDArray[Any]) -> int:
    if values.dtype == np.object_:
        return sum(value is None for value in values)
    return int(np.isnan(values).sum()) if values.dtype == np.float64 else 0


def _csv(file: InputFile) -> pa.Table:
    """All cells as texts; an empty one is null."""
    with plain_stream(file) as lines:
        line = lines.readline().decode("utf-8-sig")
        names = next(csv.reader([line]), [])
    texts = pa.csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True
    )
    parse = pa.csv.ParseOptions(newlines_in_values=True)
    with plain_stream(file) as lines:
        batches = pa.csv.open_csv(lines, parse_options=parse, convert_options=texts)
        return _first(batches, batches.schema)


def _arrow(file: InputFile) -> pa.Table:
    with open_table(file) as opened:
        return _first(opened.batches, opened.schema)


def _first(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    """Batches until they have rows enough."""
    kept, rows = [], 0
    for batch in batches:
        kept.append(batch)
        rows += batch.num_rows
        if rows >= MOST_ROWS:
            break
    return pa.Table.from_batches(kept, schema).slice(0, MOST_ROWS)


def _ndjson(file: InputFile) -> pa.Table:
    with plain_stream(file) as lines:
        numbered = enumerate(islice(lines, MOST_ROWS), 1)
        rows = [_object(line, at) for at, line in numbered if line.strip()]
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: [row.get(name) for row in rows] for name in names})


def _object(line: bytes, at: int) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except ValueError as error:
        raise InvalidInput(f"line {at} is not JSON: {error}", field="--from") from error
    if not isinstance(row, dict):
        raise InvalidInput(f"line {at} is not a JSON object", field="--from")
    return row


_READERS: Mapping[str, Callable[[InputFile], pa.Table]] = {"csv": _csv, "ndjson": _ndjson}
