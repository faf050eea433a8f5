"""Features of a batch, in spite of rows that features.py stumbles over."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mlplatform.contracts.columns import NUMPY, Columns, length
from mlplatform.errors import InvalidInput
from mlplatform.features.code import FeatureSet
from mlplatform.features.fault import Fault
from mlplatform.features.parse import storable


@dataclass
class Engineered:
    """Features of the good rows, where those rows stood, and a fault for every other row."""

    features: Columns
    good: list[int] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def engineer(features: FeatureSet, columns: Columns) -> Engineered:
    """Apply the pipeline's code to all rows.

    The whole batch is one call. Only when it raises is it halved until the rows to blame are alone:
    about 2 · log2(n) more calls for one bad row, 2 · n when all are bad.
    """
    result = Engineered({})
    parts: list[Columns] = []
    open_ranges = [(0, length(columns))]
    while open_ranges:
        first, last = open_ranges.pop()
        if first == last:
            continue
        try:
            parts.append(
                features.apply({name: array[first:last] for name, array in columns.items()})
            )
        except InvalidInput as error:
            if last - first == 1:
                result.faults.append(Fault(first, error.field, error.message))
            else:
                middle = (first + last) // 2
                open_ranges += [(middle, last), (first, middle)]
        else:
            result.good.extend(range(first, last))
    for feature in features.features:
        arrays = [part[feature.name] for part in parts]
        result.features = {
            **result.features,
            feature.name: np.concatenate(arrays) if arrays else np.empty(0, NUMPY[feature.dtype]),
        }
    return _storable(features, result)


def _storable(features: FeatureSet, result: Engineered) -> Engineered:
    """Leave out rows whose text features PostgreSQL can't store.

    Raw columns were checked already.
    """
    texts = [
        feature.name
        for feature in features.features
        if feature.dtype == "string" and not features.identity
    ]
    bad = {
        place: name
        for name in texts
        for place, text in enumerate(result.features[name])
        if text is not None and not storable(text)
    }
    if not bad:
        return result
    keep = np.array([place not in bad for place in range(len(result.good))])
    faults = [
        Fault(
            result.good[place],
            name,
            f"feature {name} holds a NUL character or half a surrogate pair",
        )
        for place, name in bad.items()
    ]
    return Engineered(
        features={name: array[keep] for name, array in result.features.items()},
        good=[row for row, kept in zip(result.good, keep, strict=True) if kept],
        faults=[*result.faults, *faults],
    )
