"""May this features.py be used? It is tried on rows first, together and alone.

The rows are generated from what pipeline.yaml says. Where it says too little (a text that must be a
date), rows of the history take their place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlplatform.contracts.columns import Column, Columns, Feature, length
from mlplatform.errors import FeaturesEnded, InvalidInput
from mlplatform.features.fault import shown_row
from mlplatform.features.outcome import (
    Engineer,
    called,
    differing,
    feature_types,
    has_infinite,
    normalised,
)
from mlplatform.features.probe import Probes, around, guesses, probes

History = Callable[[], Columns | None]
"""Some clean rows of the history; None or no row when there is none."""
_UNSTEADY = "is not the same each time it is computed: no random numbers, no clock, no state"
_DEPENDENT = "of a row depends on the rows beside it: no mean, no rank, nothing of other rows"
_SAY_SO = (
    "correct features.py; or say in pipeline.yaml what the columns hold: `example:`, `pattern:`, "
    "`values:`, `min:` and `max:`"
)


@dataclass(frozen=True)
class Accepted:
    """What was found: the features' names and types, and rows that are answered."""

    features: tuple[Feature, ...]
    probes: Probes


class _RowToBlame(InvalidInput):
    """Another row might be answered."""


def accept(
    engineer: Engineer | None, inputs: Sequence[Column], where: str, history: History | None
) -> Accepted:
    """Try the code, if there is any, on generated rows, or on known ones where it refuses those.

    Raises InvalidInput, with the row where one is to blame, unless every table with rows gives the
    same types, and every row the same values in each table that it comes in.
    """
    if engineer is None:
        return _as_they_are(inputs, history)
    code = _Code(engineer, where)
    try:
        return code.accepted(inputs, _generated(inputs), known=False)
    except _RowToBlame:
        rows = history() if history is not None else None
        if rows is None or not length(rows):
            raise
        answered = [row for row in range(length(rows)) if code.refusal(_row(rows, row)) is None]
        # Without one the refusal of a row that is real says more.
        kept = {name: values[answered] for name, values in rows.items()} if answered else rows
        return code.accepted(inputs, tuple(around(inputs, kept)), known=True)


def _as_they_are(inputs: Sequence[Column], history: History | None) -> Accepted:
    """Without a features.py nothing is refused: the features are the columns."""
    features = tuple(Feature(name=one.name, dtype=one.dtype) for one in inputs)
    try:
        tables, known = _generated(inputs), False
    except _RowToBlame:
        rows = history() if history is not None else None
        if rows is None or not length(rows):
            return Accepted(features, Probes())
        tables, known = tuple(around(inputs, rows)), True
    more = tuple(guesses(inputs, tables[0]))
    return Accepted(features, Probes(_with_rows((*tables, *more)), known))


def _generated(inputs: Sequence[Column]) -> tuple[Columns, ...]:
    try:
        return tuple(probes(inputs))
    except InvalidInput as unknown:
        raise _RowToBlame(unknown.message, field=unknown.field, fix=unknown.fix) from unknown


class _Code:
    """features.py, and where it stands in messages."""

    def __init__(self, engineer: Engineer, where: str) -> None:
        self._engineer = engineer
        self._where = where

    def accepted(
        self, inputs: Sequence[Column], tables: tuple[Columns, ...], *, known: bool
    ) -> Accepted:
        """What is found on these tables. Raises InvalidInput."""
        try:
            features, answers = self._tried(tables)
        except FeaturesEnded:
            raise
        except InvalidInput as error:
            raise self._with_row(error, tables) from error
        for columns, whole in answers:
            self._repeat(columns, whole, features)
        more = tuple(filter(self._takes(features), guesses(inputs, tables[0])))
        return Accepted(features, Probes(_with_rows((*tables, *more)), known))

    def refusal(self, columns: Columns) -> InvalidInput | None:
        """What the code has against these rows: it raises, or a feature is infinite."""
        try:
            found = called(self._engineer, columns, self._where)
        except FeaturesEnded:
            raise
        except InvalidInput as error:
            return error
        try:
            types = feature_types(found, where=self._where)
        except InvalidInput:
            return None
        try:
            normalised(found, types, rows=length(columns), where=self._where)
        except InvalidInput as error:
            return error if has_infinite(found) else None
        return None

    def _tried(
        self, tables: tuple[Columns, ...]
    ) -> tuple[tuple[Feature, ...], list[tuple[Columns, Columns]]]:
        found: tuple[Feature, ...] = ()
        answers = []
        for columns in tables:
            made = called(self._engineer, columns, self._where)
            features = feature_types(made, where=self._where)
            found = found or features
            if length(columns) and features != found:
                raise InvalidInput(
                    f"{self._where}: the features' names or types depend on the data: "
                    f"{_listed(found)} and {_listed(features)}"
                )
            rows = length(columns)
            answers.append((columns, normalised(made, found, rows=rows, where=self._where)))
        return found, answers

    def _with_row(self, error: InvalidInput, tables: tuple[Columns, ...]) -> InvalidInput:
        """The error with the row that is refused also alone, if one is."""
        for table in _with_rows(tables):
            for row in range(length(table)):
                if alone := self.refusal(_row(table, row)):
                    return _RowToBlame(
                        f"{alone.message}, for the row {shown_row(table, row)}",
                        field=alone.field,
                        fix=_SAY_SO,
                    )
        return error

    def _repeat(self, columns: Columns, whole: Columns, features: tuple[Feature, ...]) -> None:
        """Refuse code that gives other values the second time, or for a row alone.

        With such code serving and training would not see the same.
        """
        rows = length(columns)
        tries = [(slice(0, rows), _UNSTEADY)]
        tries += [(slice(row, row + 1), _DEPENDENT) for row in range(rows)]
        for part, fault in tries:
            some = {name: array[part] for name, array in columns.items()}
            found = called(self._engineer, some, self._where)
            made = normalised(found, features, rows=length(some), where=self._where)
            if name := differing(made, whole, part):
                raise InvalidInput(f"{self._where}: feature {name} {fault}", field=name)

    def _takes(self, features: tuple[Feature, ...]) -> Callable[[Columns], bool]:
        def answered(table: Columns) -> bool:
            try:
                found = called(self._engineer, table, self._where)
                normalised(found, features, rows=length(table), where=self._where)
            except FeaturesEnded:
                raise
            except InvalidInput:
                return False
            return True

        return answered


def _row(table: Columns, row: int) -> Columns:
    return {name: values[row : row + 1] for name, values in table.items()}


def _with_rows(tables: tuple[Columns, ...]) -> tuple[Columns, ...]:
    return tuple(table for table in tables if length(table))


def _listed(features: tuple[Feature, ...]) -> str:
    return ", ".join(f"{feature.name} {feature.dtype}" for feature in features)
