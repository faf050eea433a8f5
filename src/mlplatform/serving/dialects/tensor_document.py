"""The slow way of the Open Inference Protocol: what is wrong with a request, or its columns.

A document is the protocol's JSON object, decoded, with the data of every tensor in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, TypeGuard

from mlplatform.contracts.columns import Column
from mlplatform.contracts.model import Signature
from mlplatform.errors import InvalidInput
from mlplatform.features.fault import shown
from mlplatform.serving.dialects import diagnose
from mlplatform.serving.dialects.tensors import NATURAL, accepted, fills

_WHERE = "inputs.{column}[{row}]"
_EXTRA_DATATYPES = tuple(sorted(NATURAL.keys() - {"BOOL"}))
_CONTENT_TYPES = ("pd", "np", "str")
"""MLServer's names for how a client has encoded a table, an array and texts: here all tensors are
read alike. Others stand for values that are hidden in texts."""
Tensors = dict[str, dict[str, Any]]
Columns = dict[str, list[Any]]


class TensorDocument:
    """Compiled for one signature; stateless."""

    def __init__(self, signature: Signature) -> None:
        self._columns = {column.name: column for column in signature.inputs}
        self._extras = frozenset(signature.beside)
        self._dropped = frozenset(signature.dropped)

    def columns(self, document: Mapping[str, Any]) -> tuple[list[list[Any]], int, Columns]:
        """The columns in the declared order, their rows, and the key and time fields.

        Raises InvalidInput that names row and column.
        """
        refuse_content_type(document, "")
        tensors = _by_name(document.get("inputs"))
        for name, tensor in tensors.items():
            refuse_content_type(tensor, f"inputs.{name}.")
        tensors = self._separate(tensors)
        self._refuse_other_columns(tensors)
        rows = _rows(tensors)
        data = {name: _data(tensor, name, rows) for name, tensor in tensors.items()}
        for name, tensor in tensors.items():
            self._refuse_datatype(name, tensor, data[name])
        inputs = {name: data[name] for name in self._columns}
        columns = diagnose.columns(inputs, tuple(self._columns.values()), _WHERE)
        extras = {
            name: diagnose.scalars(data[name], name, _WHERE, flags=name in self._dropped)
            for name in data
            if name in self._extras
        }
        return columns, rows, extras

    def _separate(self, tensors: Tensors) -> Tensors:
        """The tensors, with one that holds all columns cut into single ones."""
        names = [name for name in tensors if name not in self._extras]
        if len(names) != 1 or names == list(self._columns):
            return tensors
        table, width = tensors[names[0]], len(self._columns)
        shape = table.get("shape")
        if names[0] in self._columns and _is_column(shape):
            return tensors
        if not _is_shape(shape) or len(shape) != 2 or shape[1] != width or shape[0] < 1:
            raise InvalidInput(
                f"tensor {names[0]} has the shape {shape!r:.60}; it must be [rows, {width}], with "
                "the columns in the order of the model's metadata, or each column is a tensor",
                field=f"inputs.{names[0]}.shape",
            )
        return self._cut(names[0], table) | {
            name: tensors[name] for name in tensors if name in self._extras
        }

    def _cut(self, name: str, table: dict[str, Any]) -> Tensors:
        """The single tensors of a table whose shape is right."""
        rows, width = table["shape"]
        values = _table_data(table, name, rows, width)
        return {
            column: {
                "datatype": table.get("datatype"),
                "shape": [rows],
                "data": values[place::width],
                "table": width > 1,
            }
            for place, column in enumerate(self._columns)
        }

    def _refuse_other_columns(self, tensors: Iterable[str]) -> None:
        missing = [name for name in self._columns if name not in tensors]
        if missing:
            raise InvalidInput(f"missing column {', '.join(missing)}", field=f"inputs.{missing[0]}")
        known = self._columns.keys() | self._extras
        unknown = [name for name in tensors if name not in known]
        if unknown:
            raise InvalidInput(
                f"unknown column {', '.join(unknown)}",
                field=f"inputs.{unknown[0]}",
                fix=f"columns are {', '.join(self._columns)}",
            )

    def _refuse_datatype(self, name: str, tensor: dict[str, Any], values: list[Any]) -> None:
        column, datatype = self._columns.get(name), tensor.get("datatype")
        allowed = _allowed(column, table=tensor.get("table", False))
        if name in self._dropped:
            allowed = tuple(sorted(NATURAL))
        if datatype not in allowed:
            raise InvalidInput(
                f"column {name} can't be a tensor of {shown(datatype)}; "
                f"it may be {', '.join(allowed)}",
                field=f"inputs.{name}",
            )
        if column and column.dtype == "float64" and NATURAL[datatype] == "int64":
            # An INT tensor holds whole numbers only, also where the column takes any number. Nulls
            # are the column's business.
            whole = Column(name=name, dtype="int64")
            numbers = [0 if value is None else value for value in values]
            diagnose.columns({name: numbers}, [whole], _WHERE)


def refuse_content_type(part: Mapping[str, Any], where: str) -> None:
    """Raise InvalidInput for a `parameters.content_type` that changes what values mean."""
    parameters = part.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise InvalidInput("must be an object", field=f"{where}parameters")
    found = (parameters or {}).get("content_type")
    if found is not None and found not in _CONTENT_TYPES:
        raise InvalidInput(
            f"content type {shown(found)} is not supported",
            field=f"{where}parameters.content_type",
            fix=f"send the values themselves, and one of {', '.join(_CONTENT_TYPES)} or none",
        )


def known_content_type(name: str | None) -> bool:
    """Whether `refuse_content_type` lets it pass."""
    return name is None or name in _CONTENT_TYPES


def _allowed(column: Column | None, *, table: bool) -> tuple[str, ...]:
    if column is None:
        return _EXTRA_DATATYPES
    if table:
        return tuple(name for name in NATURAL if fills(name, column.dtype, table=True))
    return accepted(column)


def _by_name(inputs: Any) -> Tensors:
    if not isinstance(inputs, list) or not inputs:
        raise InvalidInput("must be a list of at least one tensor", field="inputs")
    found: Tensors = {}
    for index, tensor in enumerate(inputs):
        if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
            raise InvalidInput(
                "a tensor is an object with name, datatype, shape and data",
                field=f"inputs[{index}]",
            )
        if tensor["name"] in found:
            raise InvalidInput(
                f"column {tensor['name']} comes twice", field=f"inputs[{index}].name"
            )
        found[tensor["name"]] = tensor
    return found


def _rows(tensors: Tensors) -> int:
    """The number of rows that all shapes agree on."""
    first, rows = next(iter(tensors)), 0
    for name, tensor in tensors.items():
        shape = tensor.get("shape")
        if not _is_column(shape):
            raise InvalidInput(
                f"column {name}: the shape must be [rows] or [rows, 1] with at least one row, "
                f"not {shape!r:.60}",
                field=f"inputs.{name}.shape",
            )
        if rows and shape[0] != rows:
            raise InvalidInput(
                f"column {name} has {shape[0]} rows, column {first} has {rows}",
                field=f"inputs.{name}.shape",
            )
        rows = shape[0]
    return rows


def _is_shape(shape: Any) -> TypeGuard[list[int]]:
    # a bool is an int to isinstance
    return isinstance(shape, list) and all(type(size) is int for size in shape)


def _is_column(shape: Any) -> TypeGuard[list[int]]:
    return _is_shape(shape) and len(shape) in (1, 2) and shape[0] >= 1 and shape[1:] in ([], [1])


def _data(tensor: dict[str, Any], name: str, rows: int) -> list[Any]:
    """The values of a column, nested or flat."""
    data = _listed(tensor, f"column {name}", name)
    single = all(isinstance(item, list) and len(item) == 1 for item in data)
    if len(tensor["shape"]) == 2 and single:
        data = [item[0] for item in data]
    if len(data) != rows:
        raise InvalidInput(
            f"column {name} has {len(data)} values, its shape says {rows}",
            field=f"inputs.{name}.data",
        )
    return data


def _table_data(tensor: dict[str, Any], name: str, rows: int, width: int) -> list[Any]:
    """The values of all columns, row by row."""
    data = _listed(tensor, f"tensor {name}", name)
    if all(isinstance(row, list) for row in data):
        for row, values in enumerate(data):
            if len(values) != width:
                raise InvalidInput(
                    f"row {row} has {len(values)} values for {width} columns",
                    field=f"inputs.{name}.data[{row}]",
                )
        data = list(chain.from_iterable(data))
    if len(data) != rows * width:
        raise InvalidInput(
            f"tensor {name} has {len(data)} values, its shape says {rows} times {width}",
            field=f"inputs.{name}.data",
        )
    return data


def _listed(tensor: dict[str, Any], what: str, name: str) -> list[Any]:
    data = tensor.get("data")
    if not isinstance(data, list):
        raise InvalidInput(
            f"{what}: data must be a list, or come as bytes behind the JSON with the header "
            "Inference-Header-Content-Length",
            field=f"inputs.{name}.data",
        )
    return data
