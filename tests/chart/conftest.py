"""Fixtures over the rendered chart. Its helpers and the chart's tools are made importable here."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import helm_python as helm
import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "tools")]

from chart_rendering import CHART, CI, Object, files, objects_in, pod_of, rendered  # noqa: E402


@pytest.fixture(params=["default", *CI])
def name(request: pytest.FixtureRequest) -> str:
    """Each set of values that people run, and the defaults."""
    return str(request.param)


@pytest.fixture
def objects(name: str) -> list[Object]:
    """The objects of one set of values."""
    return objects_in(files(name))


@pytest.fixture
def workloads(objects: list[Object]) -> list[tuple[Object, Object]]:
    """Every object that runs pods, with its pod spec."""
    found = [(each, pod_of(each)) for each in objects]
    return [(each, pod) for each, pod in found if pod is not None]


@pytest.fixture
def refusal() -> Callable[..., str]:
    """What the chart says of values that it refuses; "" when it takes them."""

    def ask(values: dict[str, Any], chart: Path = CHART) -> str:
        try:
            rendered(values, chart=chart)
        except helm.HelmError as error:
            return str(error)
        return ""

    return ask
