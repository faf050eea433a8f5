"""When two models say the same: numbers on their own scale, labels exactly, metrics unmoved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from mlplatform.contracts.pipeline import Metric
from mlplatform.trainer.closeness import Scale, labels, metrics, numbers

STEPS = np.linspace(-1.0, 1.0, 41)
NAN, INF = float("nan"), float("inf")


def _wrong(expected: Any, actual: Any, tolerance: float = 1e-4) -> str:
    expected, actual = (np.asarray(side, dtype=np.float64) for side in (expected, actual))
    return numbers(expected, actual, tolerance, Scale.of(expected))[1]


@pytest.mark.parametrize("unit", [1e-300, 1e-30, 1e-6, 1.0, 1e12, 1e300])
def test_a_difference_counts_the_same_in_every_unit(unit: float) -> None:
    """A hundredth of the spread is a difference, a millionth is none, whatever the target's unit.

    An offset changes nothing.
    """
    for offset in (0.0, -100.0):
        expected = (STEPS + offset) * unit

        assert "" == _wrong(expected, expected + 1e-6 * unit)
        assert "of the spread, tolerance is 0.0001" in _wrong(expected, expected + 1e-2 * unit)


def test_a_number_far_out_may_differ_by_more() -> None:
    """Extrapolated numbers are compared relative to how far out they are."""
    scale, far = Scale.of(STEPS), np.array([1e6])

    assert "" == numbers(far, far + 10, 1e-4, scale)[1]
    assert "" != numbers(far, far + 1000, 1e-4, scale)[1]


def test_a_constant_may_differ_by_what_float32_rounds() -> None:
    """A model that says one number says the same number in float32; 0 is exactly 0."""
    constant = np.full(9, 0.1)

    complaint = _wrong(constant, constant * (1 + 1e-6))

    assert "" == _wrong(constant, constant.astype(np.float32))
    assert "scikit-learn always predicts 0.1, and this gives 0.1000001" == complaint
    assert "" != _wrong(np.zeros(9), np.full(9, 1e-30))
    assert "" == _wrong(np.zeros(9), -np.zeros(9))
    assert "" == _wrong([], [])


def test_what_float32_cannot_hold_says_what_to_change() -> None:
    """Numbers that lie closer together than float32 can tell them apart, or beyond its end."""
    close, huge = 1e12 + 1e4 * STEPS, 1e40 * STEPS
    with np.errstate(over="ignore"):
        complaints = [_wrong(numbers, numbers.astype(np.float32)) for numbers in (close, huge)]

    assert "float32 rounds such numbers by up to 3.28e+04, and the spread is" in complaints[0]
    assert "take a fixed number off it, or raise export.tolerance" in complaints[0]
    assert "float32 ends at 3.4e+38: give the target a larger unit" in complaints[1]
    assert "" == _wrong(1e12 * STEPS, (1e12 * STEPS).astype(np.float32))


@pytest.mark.parametrize("odd", [NAN, INF, -INF])
def test_what_is_no_number_equals_nothing(odd: float) -> None:
    """NaN and infinity are a difference on either side and on both, and for probabilities too."""
    good, bad = np.array([0.1, 0.2, 0.3]), np.array([0.1, odd, 0.3])
    for scale in (None, Scale.of(good), Scale.of(bad)):
        found = [numbers(*pair, 1e9, scale) for pair in ((good, bad), (bad, good), (bad, bad))]

        assert [
            (INF, "the export gives NaN or infinity, 1 of 3 numbers"),
            (INF, "scikit-learn gives NaN or infinity, 1 of 3 numbers"),
            (INF, "scikit-learn gives NaN or infinity, 1 of 3 numbers"),
        ] == found


def test_probabilities_are_compared_absolutely() -> None:
    """The tolerance is a probability, as small as the probabilities may be."""
    some = np.array([[1e-5, 1 - 1e-5], [0.5, 0.5]])

    assert "" == numbers(some, some + 5e-5, 1e-4, None)[1]
    assert "differs by up to 0.0002, tolerance" in numbers(some, some + 2e-4, 1e-4, None)[1]


def test_labels_are_equal_or_not() -> None:
    """Neighbouring large numbers are two classes; a word is compared by every letter."""
    large, words = np.array([2**53, 2**53 + 1]), np.array(["no", "yes"], dtype=object)

    assert ["", ""] == [labels(large, large.copy()), labels(words, words.astype("U3"))]
    assert "1 of 2 labels differ" == labels(large, np.array([2**53, 2**53]))
    assert "1 of 2 labels differ" == labels(words, np.array(["no", "yes "], dtype=object))


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ({"r2": 0.997}, {"r2": -1.2}, "r2 is -1.2 after the export, 0.997 before"),
        ({"r2": 0.997}, {"r2": 0.9969}, ""),
        ({"r2": -1e6}, {"r2": -1e6 - 1}, ""),
        ({"mae": 1e-7}, {"mae": 3e-7}, "mae is 3e-07 after the export, 1e-07 before"),
        ({"rmse": 0.0}, {"rmse": 1e-10}, ""),
        ({"r2": NAN}, {"r2": NAN}, ""),
        ({"r2": 0.5}, {"r2": NAN}, "r2 is nan after the export, 0.5 before"),
        ({"r2": NAN}, {"r2": 0.5}, "r2 is 0.5 after the export, nan before"),
        ({"rmse": 1.0}, {"rmse": INF}, "rmse is inf after the export, 1 before"),
        ({"rmse": INF}, {"rmse": 1.0}, "rmse is 1 after the export, inf before"),
    ],
)
def test_a_metric_that_moves_is_named_with_both_values(
    before: Mapping[Metric, float], after: Mapping[Metric, float], complaint: str
) -> None:
    """Errors are compared on the scale of the labels, r2 on its own."""
    found = metrics(before, after, STEPS * 1e-6)

    assert complaint == found.split(";")[0]


def test_metrics_of_a_classification_are_compared_as_they_are() -> None:
    """A ranking that is lost among small probabilities shows in roc_auc."""
    found = metrics({"roc_auc": 0.9, "f1": 0.0}, {"roc_auc": 0.5, "f1": 0.0}, None)

    assert "roc_auc is 0.5 after the export, 0.9 before; bound is 0.001" == found


def test_metrics_of_constant_labels_say_nothing() -> None:
    """R2 of a constant is 1 or 0 by the last bit: predictions alone are compared."""
    assert "" == metrics({"r2": 1.0}, {"r2": 0.0}, np.full(9, 0.1))
