"""What a row carries beside its columns: key, time and label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mlplatform.contracts.columns import Column
from mlplatform.contracts.pipeline import PipelineDefinition, Target
from mlplatform.database.labels import LONGEST
from mlplatform.etl.unpack import FlatRows
from mlplatform.features.fault import Fault, shown
from mlplatform.features.parse import EXACT, to_columns

FIRST, LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""Times outside are mistakes (milliseconds for seconds), which Arrow and pandas can't hold."""


@dataclass(frozen=True)
class Annotations:
    """One item per row.

    A label is None where the row has none; placeholders where there is a fault.
    """

    times: list[datetime]
    keys: list[str | None]
    labels: list[Any]
    faults: list[Fault]


def annotate(flat: FlatRows, definition: PipelineDefinition) -> Annotations:
    """Key, event time and typed label of every row.

    Only imported rows have labels; a request can't label itself.
    """
    faults: list[Fault] = []
    times = _times(flat, definition.time, faults)
    keys = _keys(flat, definition.key, faults)
    labels = _labels(flat, definition.target, faults)
    return Annotations(times, keys, labels, faults)


def moment(value: Any) -> datetime | str:
    """The time of ISO 8601 text (UTC unless it says otherwise) or of seconds since the epoch.

    Text that says what is wrong when it is neither.
    """
    if _date_in_digits(value):
        return f"{shown(value)} may be a date or seconds since the epoch; write it as 2025-01-02"
    try:
        if isinstance(value, str):
            parsed = datetime.fromisoformat(value)
            found = parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found = datetime.fromtimestamp(value, UTC)
        else:
            return f"{shown(value)} is neither ISO 8601 text nor seconds since the epoch"
    except (ValueError, OverflowError, OSError):
        return f"{shown(value)} is not a time (ISO 8601 text or seconds since the epoch)"
    return (
        found if FIRST <= found < LAST else f"{shown(value)} is not between the years 1900 and 2200"
    )


def _date_in_digits(value: Any) -> bool:
    """Whether a value may be meant as YYYYMMDD, which text and number would give two meanings."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value)
    if len(text) != 8 or not (text.isascii() and text.isdigit()):
        return False
    try:
        return FIRST.year <= datetime.fromisoformat(text).year < LAST.year
    except ValueError:
        return False


def _times(flat: FlatRows, name: str | None, faults: list[Fault]) -> list[datetime]:
    if name is None:
        return flat.received
    times = []
    for index, (value, received) in enumerate(zip(flat.values[name], flat.received, strict=True)):
        found = received if value is None else moment(value)
        if isinstance(found, str):
            faults.append(Fault(index, name, found, value))
            found = received
        times.append(found)
    return times


def _keys(flat: FlatRows, name: str | None, faults: list[Fault]) -> list[str | None]:
    if name is None:
        return [None] * len(flat.ids)
    keys = []
    for index, value in enumerate(flat.values[name]):
        good = (
            value is None
            or (isinstance(value, str) and "\0" not in value)
            or (isinstance(value, int) and not isinstance(value, bool))
        )
        if not good:
            faults.append(
                Fault(index, name, f"{shown(value)} can't be a key: text or a whole number", value)
            )
        keys.append(str(value) if good and value is not None else None)
    return keys


def _labels(flat: FlatRows, target: Target, faults: list[Fault]) -> list[Any]:
    labels: list[Any] = [None] * len(flat.ids)
    given = [
        index
        for index, value in enumerate(flat.values[target.name])
        if flat.imported[index] and value is not None
    ]
    values = [flat.values[target.name][index] for index in given]
    typed, wrong = to_columns({"target": values}, [Column(name="target", dtype=target.dtype)])
    faults.extend(
        Fault(given[fault.row], target.name, fault.reason, fault.value) for fault in wrong
    )
    for index, value in zip(given, typed["target"].tolist(), strict=True):
        labels[index] = value
    faults.extend(_unknown_classes(given, values, target))
    faults.extend(_too_large(labels, target))
    return labels


def _too_large(labels: Sequence[Any], target: Target) -> list[Fault]:
    """Labels that can't be stored.

    Numbers become double precision, in which larger whole ones are not exact; texts must fit an
    index.
    """
    found = []
    for index, value in enumerate(labels):
        if value is None:
            continue
        reason = ""
        if target.dtype == "int64" and abs(value) > EXACT:
            reason = f"{shown(value)} is too large for a label: at most 2**53"
        elif target.dtype == "string" and len(value.encode()) > LONGEST:
            reason = f"{shown(value)} is too long for a label: at most {LONGEST} bytes"
        if reason:
            found.append(Fault(index, target.name, reason, value))
    return found


def _unknown_classes(given: Sequence[int], values: Sequence[Any], target: Target) -> list[Fault]:
    classes = target.values
    if classes is None:
        return []
    return [
        Fault(index, target.name, f"{shown(value)} is not one of {', '.join(classes)}", value)
        for index, value in zip(given, values, strict=True)
        if isinstance(value, str) and value not in classes
    ]
