"""What a row carries beside its columns: key, time, label and weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlplatform.contracts.columns import Column
from mlplatform.contracts.pipeline import PipelineDefinition, Target
from mlplatform.database.labels import LONGEST
from mlplatform.etl.unpack import FlatRows
from mlplatform.features.fault import Fault, shown
from mlplatform.features.key import key_text, key_texts
from mlplatform.features.moment import moment
from mlplatform.features.moments import moments
from mlplatform.features.parse import EXACT, to_columns
from mlplatform.features.weight import weights


@dataclass(frozen=True)
class Annotations:
    """One item per row; placeholders where there is a fault.

    `times` are datetime64[us] in UTC. Of number (NaN for none) and text of a label one is set, none
    where the row has none.
    """

    times: NDArray[np.datetime64]
    keys: list[str | None]
    numbers: NDArray[np.float64]
    texts: NDArray[np.object_]
    weights: NDArray[np.float64]
    faults: list[Fault]


def annotate(flat: FlatRows, definition: PipelineDefinition) -> Annotations:
    """Key, event time, typed label and weight of every row.

    Only imported rows have labels; a request can't label itself.
    """
    faults: list[Fault] = []
    times = _times(flat, definition.time, faults)
    keys = _keys(flat, definition.key, faults)
    numbers, texts = _labels(flat, definition.target, faults)
    counting = _weights(flat, definition.weight, faults)
    return Annotations(times, keys, numbers, texts, counting, faults)


def _times(flat: FlatRows, name: str | None, faults: list[Fault]) -> NDArray[np.datetime64]:
    if name is None:
        return _utc(flat.received)
    values = flat.values[name]
    whole = moments(values)
    if whole is not None:
        return whole
    times = []
    for index, (value, received) in enumerate(zip(values, flat.received, strict=True)):
        found = received if value is None or value == "" else moment(value)
        if isinstance(found, str):
            faults.append(Fault(index, name, found, value))
            found = received
        times.append(found)
    return _utc(times)


def _utc(times: Sequence[datetime]) -> NDArray[np.datetime64]:
    """Rows of one request share one time, so that most are the one before."""
    known = {each: each.astimezone(UTC).replace(tzinfo=None) for each in set(times)}
    return np.array([known[each] for each in times], dtype="datetime64[us]")


def _keys(flat: FlatRows, name: str | None, faults: list[Fault]) -> list[str | None]:
    if name is None:
        return [None] * len(flat.ids)
    whole = key_texts(flat.values[name])
    if whole is not None:
        return whole
    keys = []
    for index, value in enumerate(flat.values[name]):
        key, reason = key_text(value)
        if reason:
            faults.append(Fault(index, name, reason, value))
        keys.append(key)
    return keys


def _weights(flat: FlatRows, name: str | None, faults: list[Fault]) -> NDArray[np.float64]:
    """NaN where a row has none: it counts as 1."""
    if name is None:
        return np.full(len(flat.ids), np.nan)
    found, wrong = weights(flat.values[name], name)
    faults.extend(wrong)
    return found


def _labels(
    flat: FlatRows, target: Target, faults: list[Fault]
) -> tuple[NDArray[np.float64], NDArray[np.object_]]:
    """Numbers and texts of the labels."""
    numbers = np.full(len(flat.ids), np.nan)
    texts = np.full(len(flat.ids), None, dtype=np.object_)
    given = _labelled(flat, target)
    values = [flat.values[target.name][index] for index in given]
    typed, wrong = to_columns({"target": values}, [Column(name="target", dtype=target.dtype)])
    faults.extend(
        Fault(given[fault.row], target.name, fault.reason, fault.value) for fault in wrong
    )
    faults.extend(_unknown_classes(given, values, target))
    faults.extend(_too_large(given, typed["target"], target))
    (texts if target.dtype == "string" else numbers)[given] = typed["target"]
    return numbers, texts


def _labelled(flat: FlatRows, target: Target) -> list[int]:
    """The imported rows that have a label."""
    values = flat.values[target.name]
    if all(flat.imported) and not {str, type(None)} & set(map(type, values)):
        return list(range(len(values)))
    return [
        index
        for index, value in enumerate(values)
        if flat.imported[index] and not target.lacks(value)
    ]


def _too_large(given: Sequence[int], typed: NDArray[Any], target: Target) -> list[Fault]:
    """Labels that can't be stored.

    Numbers become double precision, in which larger whole ones are not exact; texts must fit an
    index.
    """
    wrong: list[int] = []
    reason = ""
    if target.dtype == "int64":
        wrong = np.flatnonzero((typed > EXACT) | (typed < -EXACT)).tolist()
        reason = "too large for a label: at most 2**53"
    elif target.dtype == "string":
        long = {text for text in set(typed.tolist()) if len((text or "").encode()) > LONGEST}
        wrong = [place for place, text in enumerate(typed) if text in long] if long else []
        reason = f"too long for a label: at most {LONGEST} bytes"
    values = typed.tolist()
    return [
        Fault(given[place], target.name, f"{shown(values[place])} is {reason}", values[place])
        for place in wrong
    ]


def _unknown_classes(given: Sequence[int], values: Sequence[Any], target: Target) -> list[Fault]:
    classes = target.values
    if classes is None:
        return []
    known = frozenset(classes)
    return [
        Fault(index, target.name, f"{shown(value)} is not one of {', '.join(classes)}", value)
        for index, value in zip(given, values, strict=True)
        if isinstance(value, str) and value not in known
    ]
