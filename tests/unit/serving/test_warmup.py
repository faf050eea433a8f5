"""What is measured about a model before it may serve."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from mlplatform.errors import PlatformError
from mlplatform.serving.warmup import warm_up

Scene = Mapping[str, Callable[..., Any]]


class Moody:
    """Its predictions depend on the number of rows modulo `period`, as rounding may by shape."""

    def __init__(self, period: int) -> None:
        self._period = period

    def predict(self, features: Any) -> Any:
        """See Engine.predict."""
        rows = len(features["bmi"])
        return {"prediction": np.full(rows, float(rows % self._period))}


@pytest.mark.parametrize(("period", "multiple"), [(1, 2), (2, 2), (4, 4), (16, 16), (1000, 0)])
def test_the_padding_is_the_least_that_makes_rows_independent(
    scene: Scene, period: int, multiple: int
) -> None:
    """2, 4, 8 or 16 rows at a time; 0, a call per request, where nothing helps."""
    model = scene["model"](Moody(period))

    warm_up(model)

    assert multiple == model.multiple


def test_a_version_that_cannot_answer_its_own_rows_is_refused(scene: Scene) -> None:
    """What fails on rows that the definition allows never serves."""

    class Short(Moody):
        """Loses a row."""

        def predict(self, features: Any) -> Any:
            """See Engine.predict."""
            return {"prediction": super().predict(features)["prediction"][1:]}

    with pytest.raises(PlatformError, match="for 2 rows"):
        warm_up(scene["model"](Short(1)))


def test_costs_are_measured(scene: Scene) -> None:
    """After the warm-up a batch has an expected time, which grows with its rows."""
    model = scene["model"]()

    warm_up(model)

    assert 0 < model.expected_s(1, 1) <= model.expected_s(1, 1000)
