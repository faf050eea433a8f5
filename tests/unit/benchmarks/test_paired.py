"""What pairs of results say about which of two ways is better."""

from __future__ import annotations

import numpy as np
import pytest
from paired import paired


def test_a_gain_in_every_pair_is_told_from_chance() -> None:
    """Eight gains out of eight: the interval is above zero, and signs so one-sided are rare."""
    found = paired([0.01, 0.02, 0.01, 0.03, 0.01, 0.02, 0.02, 0.01])

    assert (8, 8, 0, "better") == (found.count, found.better, found.worse, found.verdict)
    assert pytest.approx(2 / 2**8) == found.p
    assert 0.01 <= found.low < found.mean < found.high <= 0.03
    assert "worse" == paired([-0.01] * 8).verdict


def test_pairs_that_differ_by_chance_decide_nothing() -> None:
    """Neither a few gains, nor many small ones against a large loss, nor equal pairs."""
    assert "-" == paired([0.01, 0.02, 0.03]).verdict
    assert "-" == paired([0.01] * 12 + [-0.2]).verdict
    assert ("-", 1.0, 0, 0) == (
        paired([0.0] * 5).verdict,
        paired([0.0] * 5).p,
        paired([0.0] * 5).better,
        paired([0.0] * 5).worse,
    )


def test_the_interval_covers_the_true_mean_as_often_as_it_says() -> None:
    """Of 300 samples whose true mean is known, about 95 in 100 have it inside."""
    draws = np.random.default_rng(3).normal(0.5, 1, (300, 24))
    found = [paired(sample) for sample in draws]

    assert 0.9 <= np.mean([one.low <= 0.5 <= one.high for one in found]) <= 0.98
