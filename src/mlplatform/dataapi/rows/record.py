"""One record of an import, and how its values become the JSON of a raw row.

Here only shape counts: a record must be fields with single values. Whether a value fits its column
is etl's business, which keeps the row and the reason.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from mlplatform.contracts.naming import fields
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.errors import InvalidInput
from mlplatform.features.cells import CellType, cell_type


@dataclass(frozen=True, slots=True)
class Record:
    """A record by its place in the body (1, 2, …).

    Either it has `values`, or `reason` says why it can't be read.
    """

    number: int
    values: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    column: str = ""
    text: str = ""  # what was sent, when it can't be read
    line: int = 0  # of a text body: where it begins (1 is the first); 0: not known

    @property
    def inputs(self) -> str:
        """The row as JSON, name -> list of one value; empty when it can't be read."""
        if self.reason:
            return ""
        return msgspec.json.encode({name: [value] for name, value in self.values.items()}).decode()


def row(number: int, values: Mapping[str, Any], text: str) -> Record:
    """The record of a row of single values."""
    for name, value in values.items():
        if isinstance(value, dict | list):
            return Record(
                number,
                reason="a row holds single values, not lists or objects",
                column=name,
                text=text,
            )
        # JSON has no infinity: it would be stored as null.
        if isinstance(value, float) and math.isinf(value):
            return Record(number, reason="is infinite", column=name, text=text)
        if "\0" in name or (isinstance(value, str) and "\0" in value):
            return Record(
                number,
                reason="a text holds the character NUL, which the database can't store",
                text=text,
            )
    if not values:
        return Record(number, reason="it has no fields", text=text)
    return Record(number, values)


def check_header(names: Sequence[str], definition: PipelineDefinition) -> None:
    """Raise InvalidInput for columns with which every row would be quarantined."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidInput(f"column '{twice[0]}' is there twice", field=twice[0])
    missing = [
        column.name
        for column in definition.inputs
        if not column.nullable and column.name not in names
    ]
    if missing:
        known = fields(definition)
        unknown = [name for name in names if name not in known]
        raise InvalidInput(
            f"the header lacks the column {', '.join(missing)}",
            field=missing[0],
            fix="name every column of pipeline.yaml"
            + (f"; it does not declare {', '.join(unknown)}" if unknown else ""),
        )


def cell_types(definition: PipelineDefinition) -> dict[str, CellType]:
    """What stands in each CSV column, by its declaration. Other columns hold texts."""
    types: dict[str, CellType] = {column.name: cell_type(column) for column in definition.columns}
    types[definition.target.name] = definition.target.dtype
    if definition.weight is not None:
        types[definition.weight] = "float64"
    if definition.time is not None:
        types[definition.time] = "time"
    return types
