"""What a row carries beside its columns: key, time, label and weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlplatform.contracts.columns import Column
from mlplatform.contracts.pipeline import PipelineDefinition, Target
from mlplatform.database.labels import LONGEST
from mlplatform.etl.unpack import FlatRows
from mlplatform.features.fault import Fault, shown
from mlplatform.features.key import key_text
from mlplatform.features.moment import moment
from mlplatform.features.parse import EXACT, to_columns
from mlplatform.features.weight import weights


@dataclass(frozen=True)
class Annotations:
    """One item per row.

    A label is None where the row has none, a weight NaN; placeholders where there is a fault.
    """

    times: list[datetime]
    keys: list[str | None]
    labels: list[Any]
    weights: NDArray[np.float64]
    faults: list[Fault]


def annotate(flat: FlatRows, definition: PipelineDefinition) -> Annotations:
    """Key, event time, typed label and weight of every row.

    Only imported rows have labels; a request can't label itself.
    """
    faults: list[Fault] = []
    times = _times(flat, definition.time, faults)
    keys = _keys(flat, definition.key, faults)
    labels = _labels(flat, definition.target, faults)
    counting = _weights(flat, definition.weight, faults)
    return Annotations(times, keys, labels, counting, faults)


def _times(flat: FlatRows, name: str | None, faults: list[Fault]) -> list[datetime]:
    if name is None:
        return flat.received
    times = []
    for index, (value, received) in enumerate(zip(flat.values[name], flat.received, strict=True)):
        found = received if value is None or value == "" else moment(value)
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


def _labels(flat: FlatRows, target: Target, faults: list[Fault]) -> list[Any]:
    labels: list[Any] = [None] * len(flat.ids)
    given = [
        index
        for index, value in enumerate(flat.values[target.name])
        if flat.imported[index] and not target.lacks(value)
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
