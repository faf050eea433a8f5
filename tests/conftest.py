"""Settings of the test run as a whole."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator

import pytest
from hypothesis import settings

from mlplatform import vendor_telemetry

# Timings say nothing on a busy machine: a property fails for its content only.
settings.register_profile("mlplatform", deadline=None, max_examples=60)
settings.load_profile("mlplatform")
os.environ.update(vendor_telemetry.OFF)  # before anybody imports the libraries that would report

FORGOTTEN = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
"""kafka-python drops the socket of a connection that is being made when its client is closed, or
that fails, and leaves it to the garbage collector (kafka/net/inet.py)."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests with a broker may leave such sockets."""
    for item in items:
        if item.get_closest_marker("kafka"):
            item.add_marker(FORGOTTEN)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """Collect them before the next test, in which any socket that is not closed is an error."""
    yield
    if item.get_closest_marker("kafka"):
        gc.collect()
