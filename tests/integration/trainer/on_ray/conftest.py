"""A Ray cluster that the tests of this folder share, and a bank whose models are boosters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ray_cluster import LocalRay, local_ray

from mlplatform.settings import RaySettings


@pytest.fixture(scope="session")
def ray() -> Iterator[LocalRay]:
    """One cluster; don't kill it."""
    with local_ray() as found:
        yield found


@pytest.fixture
def on(ray: LocalRay) -> dict[str, Any]:
    """What a training needs to be known of the cluster."""
    return {"ray": RaySettings(address=ray.address)}
