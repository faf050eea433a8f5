"""Do two models predict the same? Numbers on their own scale, labels exactly.

What a difference is worth depends on the numbers around it: 1e-6 is nothing where predictions lie
between 0 and 100, and everything where they lie between 0 and 1e-6.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlplatform.contracts.pipeline import Metric
from mlplatform.engine.as_written import as_written

_ROUNDING = 4 * float(np.finfo(np.float64).eps)  # sums in another order differ by that much
_FLOAT32 = float(np.finfo(np.float32).eps)
_MOVED = 1e-3  # most by which a metric may move; far below what gates are about


@dataclass(frozen=True)
class Scale:
    """Where the predictions of a regression lie, and how far apart."""

    centre: float
    spread: float  # standard deviation
    rounding: float  # relative difference that has no meaning

    @classmethod
    def of(cls, values: NDArray[Any]) -> Scale:
        """Of scikit-learn's predictions. Of constant ones, `spread` is 0.

        What float32 does to a constant is no difference, for no other number depends on it.
        """
        known = values[np.isfinite(values)]
        most = float(np.max(np.abs(known), initial=0.0))
        if not most:
            return cls(0.0, 0.0, _ROUNDING)
        # Divided first: the squares of very large and very small numbers don't exist.
        centre, spread = float(np.mean(known / most)) * most, float(np.std(known / most)) * most
        constant = spread <= _ROUNDING * most
        return cls(centre, 0.0, _FLOAT32) if constant else cls(centre, spread, _ROUNDING)

    def differences(self, expected: NDArray[Any], actual: NDArray[Any]) -> NDArray[Any]:
        """Each difference, relative to the spread.

        Of a number further from the centre than the spread, relative to that distance.
        """
        with np.errstate(all="ignore"):
            gap = np.maximum(0.0, np.abs(expected - actual) - self.rounding * np.abs(expected))
            reach = np.maximum(self.spread, np.abs(expected - self.centre))
            return np.where(gap == 0.0, 0.0, gap / reach)


def numbers(
    expected: NDArray[Any], actual: NDArray[Any], tolerance: float, scale: Scale | None
) -> tuple[float, str]:
    """The largest difference, and what is wrong, or ''. `scale` None: probabilities, absolute.

    NaN and infinity equal nothing, not even themselves: what serves must be a number.
    """
    for who, values in (("scikit-learn", expected), ("the export", actual)):
        if wrong := int(np.sum(~np.isfinite(values))):
            reason = f"{who} gives NaN or infinity, {wrong} of {values.size} numbers"
            return np.inf, reason + _too_large(expected)
    found = np.abs(expected - actual) if scale is None else scale.differences(expected, actual)
    if not found.size:
        return 0.0, ""
    at = np.unravel_index(np.argmax(found), found.shape)  # NaN counts as the largest
    largest, (was, now) = float(found[at]), _apart(float(expected[at]), float(actual[at]))
    if largest <= tolerance:
        return largest, ""
    if scale is not None and not scale.spread:
        return largest, f"scikit-learn always predicts {was}, and this gives {now}"
    unit = "" if scale is None else " of the spread"
    reason = f"differs by up to {largest:.3g}{unit}, tolerance is {tolerance:g}: {now} for {was}"
    if scale is None:
        return largest, reason
    return largest, reason + _too_fine(float(expected[at]), actual, tolerance, scale)


def labels(expected: NDArray[Any], actual: NDArray[Any]) -> str:
    """What is wrong with predicted classes, or ''."""
    pairs = zip(expected.tolist(), actual.tolist(), strict=True)
    wrong = sum(some != other for some, other in pairs)
    return f"{wrong} of {len(expected)} labels differ" if wrong else ""


def metrics(
    before: Mapping[Metric, float], after: Mapping[Metric, float], truth: NDArray[Any] | None
) -> str:
    """Which metric the export moved, with both values, or ''. `truth`: the labels of a regression.

    Bounds are relative to metrics above 1, and for errors to the spread of the labels.
    """
    spread = 1.0 if truth is None else Scale.of(truth.astype(np.float64)).spread
    if not spread:
        return ""  # of constant labels r2 is 1 or 0, by the last bit
    for name, was in before.items():
        unit = spread if name in ("mae", "rmse") else 1.0
        now, bound = after[name], _MOVED * max(unit, abs(was))
        if was == now or (math.isnan(was) and math.isnan(now)):  # or not defined for these rows
            continue
        if not (abs(now - was) <= bound and math.isfinite(was)):  # so that NaN counts
            old, new = _apart(was, now)
            return f"{name} is {new} after the export, {old} before; bound is {bound:.3g}"
    return ""


def _too_large(expected: NDArray[Any]) -> str:
    limit = float(np.finfo(np.float32).max)
    largest = float(np.max(np.abs(expected), initial=0.0, where=np.isfinite(expected)))
    if largest <= limit:
        return ""
    return f"; float32 ends at {limit:.3g}: give the target a larger unit"


def _too_fine(expected: float, actual: NDArray[Any], tolerance: float, scale: Scale) -> str:
    """What to change where float32 can't hold this number well enough, whatever computes it."""
    with np.errstate(over="ignore"):
        narrow = actual.astype(np.float32)
        if not ((narrow == actual) | (as_written(narrow) == actual)).all():
            return ""
        rounded = float(np.spacing(np.float32(abs(expected)))) / 2
    if not rounded > tolerance * max(scale.spread, abs(expected - scale.centre)):
        return ""
    return (
        f"; float32 rounds such numbers by up to {rounded:.3g}, and the spread is "
        f"{scale.spread:.3g}: give the target another unit, take a fixed number off it, "
        "or raise export.tolerance"
    )


def _apart(some: float, other: float) -> tuple[str, str]:
    """Both numbers, with as many digits as it takes to see a difference."""
    digits = next((n for n in (4, 6, 9, 12) if f"{some:.{n}g}" != f"{other:.{n}g}"), 17)
    return f"{some:.{digits}g}", f"{other:.{digits}g}"
