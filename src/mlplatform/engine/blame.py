"""Which row, and which of its values, a model has no answer for.

Asked after a call has failed: a model's own errors rarely name a row, and never the raw column.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mlplatform.contracts.columns import Columns, length
from mlplatform.errors import FeaturesOverrun, InvalidInput, RowRefused
from mlplatform.features.fault import shown

Predict = Callable[[Columns, int], Columns]
_TEXT = 300  # characters of a foreign error


def blame(predict: Predict, table: Columns, error: Exception, sound: Columns) -> Exception | None:
    """The error for whoever sent `table`, after `predict` raised `error` on it.

    RowRefused with row and column; FeaturesOverrun when features.py runs too long meanwhile. None
    when no row of its own is refused, or the model refuses `sound` as well, a row that it has
    answered before: then the rows are not to blame. A call for each halving of rows and columns.
    """
    try:
        row = _known_row(error)
        row = first_refused(predict, table) if row is None else row
        one = _part(table, row, row + 1)
        refusal = _refusal(predict, one)
        if refusal is None:
            return None
        if _refusal(predict, sound) is not None:
            # Without one to compare with, only what names the row itself is surely its fault.
            return _refused(row, "", refusal, one) if isinstance(refusal, InvalidInput) else None
        return _refused(row, _column(predict, one, sound), refusal, one)
    except FeaturesOverrun as late:
        return late


def _known_row(error: Exception) -> int | None:
    return error.row if isinstance(error, RowRefused) else None


def first_refused(predict: Predict, table: Columns) -> int:
    """The first row that is refused, if rows don't depend on one another."""
    first, last = 0, length(table)
    while last - first > 1:
        middle = (first + last) // 2
        if _refusal(predict, _part(table, first, middle)) is None:
            first = middle
        else:
            last = middle
    return first


def _column(predict: Predict, row: Columns, sound: Columns) -> str:
    """The column whose value of `sound` would have made the difference, the last one of several."""
    names: Sequence[str] = tuple(row)
    few, enough = 0, len(names)  # how many of the first columns must be taken from `sound`
    while enough - few > 1:
        middle = (few + enough) // 2
        mixed = {name: (sound if at < middle else row)[name] for at, name in enumerate(names)}
        if _refusal(predict, mixed) is None:
            enough = middle
        else:
            few = middle
    return names[enough - 1]


def _refusal(predict: Predict, rows: Columns) -> Exception | None:
    try:
        predict(rows, length(rows))
    except FeaturesOverrun:
        raise
    except Exception as error:  # noqa: BLE001 - a model is foreign code: it may raise anything
        return error
    return None


def _refused(row: int, column: str, refusal: Exception, one: Columns) -> RowRefused:
    reason, field = reason_of(refusal), column or getattr(refusal, "field", "")
    if column:
        value = one[column].tolist()[0]
        null = value is None or value != value  # noqa: PLR0124 (NaN differs from itself)
        reason = f"no answer for {'null' if null else shown(value)}: {reason}"
        return RowRefused(f"row {row}, column {column}: {reason}", field=field)
    return RowRefused(reason, field=field, row=row)


def reason_of(error: Exception) -> str:
    """What a model has against a row, without the row."""
    if isinstance(error, RowRefused):
        return error.reason
    if isinstance(error, InvalidInput):
        return error.message
    return f"{type(error).__name__}: {' '.join(str(error).split())[:_TEXT]}"


def _part(table: Columns, start: int, end: int) -> Columns:
    return {name: values[start:end] for name, values in table.items()}
