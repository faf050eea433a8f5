"""What is measured about a model before it may serve."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mlplatform.serving.warmup import warm_up

Scene = Mapping[str, Callable[..., Any]]


def test_costs_are_measured(scene: Scene) -> None:
    """After the warm-up a batch has an expected time, which grows with its rows."""
    model = scene["model"]()

    warm_up(model)

    assert 0 < model.expected_s(1, 1) <= model.expected_s(1, 1000)
