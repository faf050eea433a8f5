"""What is wrong with one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlplatform.contracts.columns import Columns

_SHOWN = 12  # columns of a row: the first ones say enough of a wide one


@dataclass(frozen=True, slots=True)
class Fault:
    """A value that breaks its column's contract.

    `row` counts from 0; `column` is empty when the row as a whole is at fault.
    """

    row: int
    column: str
    reason: str
    value: Any = None

    def __str__(self) -> str:
        where = f"row {self.row}" + (f", column {self.column}" if self.column else "")
        return f"{where}: {self.reason}"


def shown(value: Any, most: int = 60) -> str:
    """The value for a person, cut short."""
    try:
        text = repr(value)
    except RecursionError:  # repr goes less deep than the decoder that made the value
        return f"a {type(value).__name__} nested very deeply"
    return text if len(text) <= most else text[: most - 1] + "…"


def shown_row(table: Columns, row: int) -> str:
    """That row of a table for a person: its first columns, as name=value."""
    values = {name: values[row : row + 1].tolist()[0] for name, values in table.items()}
    cells = [f"{name}={_cell(value)}" for name, value in list(values.items())[:_SHOWN]]
    return ", ".join(cells) + (", …" if len(values) > _SHOWN else "")


def _cell(value: Any) -> str:
    return "null" if value is None or value != value else shown(value)  # noqa: PLR0124  (NaN)
