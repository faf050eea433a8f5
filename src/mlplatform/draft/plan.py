"""What each column of a file is to a pipeline: target, key, time, feature, or none of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from mlplatform.draft.table import TableColumn
from mlplatform.errors import InvalidInput

Task = Literal["classification", "regression"]
Choose = Callable[[str, Sequence[str]], str | None]
"""Asks a person to choose one of several; None where nobody can be asked, or for none of them."""

FEW_CLASSES = 20
"""Most classes of a target of whole numbers that is taken as a classification."""
_MOST_CLASSES = 100
_ROWS_A_CLASS = 5
_ONES_OWN = 0.9  # share of distinct values from which texts or whole numbers name their rows
_FEW_ROWS = 30


@dataclass(frozen=True)
class Choice:
    """What the person has said. Empty: to be found out."""

    target: str
    key: str = ""
    time: str = ""
    task: Task | None = None


@dataclass(frozen=True)
class Plan:
    """All columns by their part. `left_out` are columns that are no features, and why."""

    name: str
    source: str
    rows: int
    task: Task
    target: TableColumn
    key: TableColumn | None
    time: TableColumn | None
    columns: Sequence[TableColumn]
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def features(self) -> list[TableColumn]:
        """The columns that the model learns from."""
        return [column for column in self.columns if column.name not in self.left_out]


def make_plan(
    name: str, source: str, table: Sequence[TableColumn], choice: Choice, choose: Choose
) -> Plan:
    """Raises InvalidInput for columns that are not there, or a target that can't be predicted."""
    target = _as_target(_named(table, choice.target, "--target"))
    key = _key(table, choice.key, target)
    time = _time(table, choice.time, target, choose)
    task = choice.task or _task(target, choose)
    _check_target(target, task)
    columns = _others(table, [part for part in (target, key, time) if part is not None])
    left_out = {column.name: why for column in columns if (why := _useless(column))}
    if len(left_out) == len(columns):
        reasons = ", ".join(f"{column} {why}" for column, why in left_out.items())
        raise InvalidInput(
            f"no column says anything about {target.name}{': ' * bool(reasons)}{reasons}",
            field="--from",
        )
    rows = len(target.cells)
    return Plan(name, source, rows, task, target, key, time, columns, left_out)


def _others(table: Sequence[TableColumn], parts: Sequence[TableColumn]) -> list[TableColumn]:
    names = [part.name for part in parts]
    if len(set(names)) < len(names):
        raise InvalidInput(
            f"target, key and time are {', '.join(names)}", fix="name three different columns"
        )
    return [column for column in table if column.name not in names]


def _named(table: Sequence[TableColumn], name: str, option: str) -> TableColumn:
    for column in table:
        if name in (column.given, column.name):
            return column
    names = ", ".join(column.given for column in table)
    raise InvalidInput(f"there is no column '{name}'", field=option, fix=f"one of {names}")


def _as_target(column: TableColumn) -> TableColumn:
    """Whole numbers beside nulls, and 0.0 beside 1.0, are classes that somebody wrote as floats."""
    values = column.distinct
    whole = column.kind == "float64" and all(each.is_integer() for each in values)
    if whole and len(values) <= (FEW_CLASSES if column.nulls else 2):
        return replace(column, kind="int64")
    return column


def _key(table: Sequence[TableColumn], name: str, target: TableColumn) -> TableColumn | None:
    if name:
        return _named(table, name, "--key")
    ids = [column for column in table if column.name != target.name and _is_id(column)]
    return ids[0] if len(ids) == 1 else None


def _is_id(column: TableColumn) -> bool:
    words = column.name.split("_")
    unique = len(column.distinct) == len(column.cells)
    return unique and column.kind in ("int64", "string") and (words[-1] in ("id", "key", "uuid"))


def _time(
    table: Sequence[TableColumn], name: str, target: TableColumn, choose: Choose
) -> TableColumn | None:
    if name:
        found = _named(table, name, "--time")
        if found.kind not in ("time", "float64", "int64"):
            raise InvalidInput(
                f"'{found.present[0]}' is not a time",
                field="--time",
                fix="ISO 8601 text or seconds since the epoch",
            )
        return found
    times = [each for each in table if each.kind == "time" and each.name != target.name]
    if len(times) > 1:
        chosen = choose("Which column says when a row happened?", [each.name for each in times])
        return _named(times, chosen, "--time") if chosen else None
    return times[0] if times else None


def _task(target: TableColumn, choose: Choose) -> Task:
    if target.kind in ("string", "bool"):
        return "classification"
    if target.kind != "int64" or len(target.distinct) > FEW_CLASSES:
        return "regression"
    if len(target.distinct) == 2:
        return "classification"
    asked = choose(
        f"{target.name} holds {len(target.distinct)} whole numbers. Are they classes or amounts?",
        ["classes", "amounts"],
    )
    return "regression" if asked == "amounts" else "classification"


def _check_target(target: TableColumn, task: Task) -> None:
    values = target.distinct
    if len(values) < 2:
        raise InvalidInput(
            f"'{target.given}' holds fewer than two values, so nothing can be learned",
            field="--target",
        )
    if task == "regression" and target.kind not in ("float64", "int64"):
        raise InvalidInput(f"a regression can't predict {target.kind}", field="--task")
    if task == "classification" and target.kind == "float64":
        raise InvalidInput(
            f"'{target.given}' holds numbers that are not whole, or nulls beside whole ones",
            field="--task",
            fix="classes are texts, flags or whole numbers in every row",
        )
    if target.kind == "time":
        raise InvalidInput(f"'{target.given}' holds times", field="--target")
    if task == "classification" and len(values) > _MOST_CLASSES:
        raise InvalidInput(
            f"'{target.given}' holds {len(values)} values, too many for classes",
            field="--target",
            fix=f"{_MOST_CLASSES} at most; numbers can be predicted with --task regression",
        )


def _useless(column: TableColumn) -> str:
    """Why nothing can be learned from a column; empty where something may be."""
    distinct: list[Any] = column.distinct
    if column.kind == "time":
        return "is a time"
    if not distinct:
        return "is empty"
    if len(distinct) == 1 and not column.nulls:
        return "is always the same"
    many = len(distinct) >= max(_FEW_ROWS, _ONES_OWN * len(column.cells))
    if many and column.kind == "string":
        return "has another text in nearly every row"
    if many and column.kind == "int64" and _counts_rows(column):
        return "numbers the rows"
    return ""


def _counts_rows(column: TableColumn) -> bool:
    """Whether whole numbers are those from first to last, each about once."""
    values = np.sort(column.cells)
    return bool(
        values[-1] - values[0] < 1.2 * len(values) and len(np.unique(values)) == len(values)
    )
