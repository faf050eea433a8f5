"""Features of a batch, in spite of rows that features.py stumbles over."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from mlplatform.contracts.columns import NUMPY, Columns, length
from mlplatform.errors import FeaturesEnded, InvalidInput
from mlplatform.features.code import FeatureSet
from mlplatform.features.fault import Fault
from mlplatform.features.parse import storable
from mlplatform.watchdog import turned

MOST_ENDS = 20
"""After so many calls of one request that had to be ended, rows are not told apart any more.

Each costs the whole time limit, and a transaction is open."""


@dataclass
class Engineered:
    """Features of the good rows, where those rows stood, and a fault for every other row."""

    features: Columns
    good: list[int] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def engineer(features: FeatureSet, columns: Columns, *, several: bool = False) -> Engineered:
    """Apply the pipeline's code to all rows.

    One call; when it raises, halved until the bad rows are alone: some 2 · log2(n) more calls for
    one of them, 2 · n when all are bad. Raises FeaturesEnded for rows of `several` requests.
    """
    result = Engineered({})
    parts: list[Columns] = []
    open_ranges = [(0, length(columns))]
    ends = 0
    while open_ranges:
        first, last = open_ranges.pop()
        if first == last:  # an empty batch
            continue
        part = {name: array[first:last] for name, array in columns.items()}
        turned()  # each of these calls may take its whole time limit
        try:
            parts.append(features.apply(part))
        except InvalidInput as error:
            ended = isinstance(error, FeaturesEnded)
            if ended and several:
                raise
            ends += ended
            if last - first == 1 or (ended and ends > MOST_ENDS):
                result.faults += [
                    Fault(row, error.field, error.message) for row in range(first, last)
                ]
                continue
            middle = (first + last) // 2
            # The stack gives the front half next, so that parts and rows stay in order.
            open_ranges += [(middle, last), (first, middle)]
        else:
            result.good.extend(range(first, last))
    return _storable(features, replace(result, features=_joined(features, parts)))


def _joined(features: FeatureSet, parts: list[Columns]) -> Columns:
    found = {}
    for feature in features.features:
        arrays = [part[feature.name] for part in parts]
        empty = np.empty(0, NUMPY[feature.dtype])
        found[feature.name] = np.concatenate(arrays) if arrays else empty
    return found


def _storable(features: FeatureSet, result: Engineered) -> Engineered:
    """Leave out rows whose text features PostgreSQL can't store.

    Raw columns were checked already.
    """
    if features.identity:
        return result
    bad = {
        place: feature.name
        for feature in features.features
        if feature.dtype == "string"
        and not storable("".join(filter(None, result.features[feature.name])))
        for place, text in enumerate(result.features[feature.name])
        if text is not None and not storable(text)
    }
    if not bad:
        return result
    keep = np.array([place not in bad for place in range(len(result.good))])
    reason = "feature {} holds a NUL character or half a surrogate pair"
    faults = [Fault(result.good[place], name, reason.format(name)) for place, name in bad.items()]
    return Engineered(
        features={name: array[keep] for name, array in result.features.items()},
        good=[row for row, kept in zip(result.good, keep, strict=True) if kept],
        faults=[*result.faults, *faults],
    )
