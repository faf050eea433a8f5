"""Whether one of two ways is better than the other, by what both reached with the same seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

_DRAWS = 20_000
"""Of a bootstrap: its ends are then certain to a hundredth of the interval."""


@dataclass(frozen=True)
class Paired:
    """Differences per seed: their mean, its 95 % bootstrap interval, and a two-sided sign test."""

    count: int
    mean: float
    low: float
    high: float
    better: int
    worse: int
    p: float

    @property
    def verdict(self) -> str:
        """`better` or `worse` where the interval leaves zero out and the signs agree, else `-`."""
        if self.p > 0.05 or self.low <= 0 <= self.high:
            return "-"
        return "better" if self.mean > 0 else "worse"


def paired(differences: Sequence[float]) -> Paired:
    """What these differences say; equal pairs count for neither side."""
    values = np.asarray(differences, dtype=float)
    draws = np.random.default_rng(0).integers(0, len(values), (_DRAWS, len(values)))
    low, high = np.quantile(values[draws].mean(axis=1), [0.025, 0.975])
    better, worse = int((values > 0).sum()), int((values < 0).sum())
    p = float(binomtest(better, better + worse).pvalue) if better + worse else 1.0
    return Paired(len(values), float(values.mean()), float(low), float(high), better, worse, p)
