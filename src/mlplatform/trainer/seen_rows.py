"""Held-out rows that the model has seen: all their features also stand in a training row.

A model that remembers its rows predicts these well and others not, so figures on them flatter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlplatform.contracts.columns import Columns
from mlplatform.trainer.labelled_rows import LabelledRows

MOST = 0.05
"""A larger share is warned of: memory alone can raise an accuracy by as much."""


@dataclass(frozen=True)
class SeenRows:
    """How many of the held-out rows were seen in training."""

    same_label: int  # a training row has their label as well
    other_label: int  # training rows have their features with other labels only
    held_out: int

    @property
    def share(self) -> float:
        """Of the held-out rows, whatever their label."""
        return (self.same_label + self.other_label) / max(1, self.held_out)

    @property
    def many(self) -> bool:
        """True when the figures on the held-out rows are not to be trusted."""
        return self.share > MOST

    def describe(self) -> str:
        """One sentence for a person."""
        return (
            f"{self.same_label + self.other_label} of {self.held_out} held-out rows "
            f"({self.share:.1%}) have all features in common with a training row: "
            f"{self.same_label} with the same label, {self.other_label} with another one only"
        )


def count(train: LabelledRows, test: LabelledRows) -> SeenRows:
    """Compare all features of all rows; missing values are equal to one another."""
    known, asked = digests(train.features, 0), digests(test.features, 0)
    seen = np.isin(asked, known)
    same = np.isin(_mix(asked) ^ _digests(test.labels), _mix(known) ^ _digests(train.labels))
    return SeenRows(int(same.sum()), int((seen & ~same).sum()), len(test))


def digests(features: Columns, seed: int) -> NDArray[np.uint64]:
    """A number for each row, drawn by the seed from all that a model sees of the row.

    Equal rows have equal numbers, whatever order the features are declared in.
    """
    size = len(next(iter(features.values()))) if features else 0
    found = np.full(size, seed, dtype=np.uint64)
    for name in sorted(features):
        found = _mix(found) ^ _digests(features[name])
    return _mix(found)


def _digests(values: NDArray[Any]) -> NDArray[np.uint64]:
    if values.dtype.kind in "OU":
        # A model sees a null string as the empty one.
        texts = np.array(["" if value is None else str(value) for value in values], dtype=object)
        return np.asarray(pd.util.hash_array(texts), dtype=np.uint64)
    numbers = np.asarray(values, dtype=np.float64 if values.dtype.kind == "f" else np.int64)
    if values.dtype.kind == "f":
        # The bits are hashed, and there are many NaNs and two zeros: -0.0 + 0.0 is 0.0.
        numbers = np.where(np.isnan(numbers), np.nan, numbers + 0.0)
    return np.asarray(pd.util.hash_array(numbers), dtype=np.uint64)


def _mix(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return np.asarray(pd.util.hash_array(numbers), dtype=np.uint64)
