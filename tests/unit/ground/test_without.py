"""Libraries that are imported without another."""

from __future__ import annotations

import importlib
import sys

import pytest

from mlplatform.without import without


def test_a_library_is_absent_meanwhile_and_there_afterwards() -> None:
    """Its import fails inside, and works again outside."""
    name = "colorsys"  # of the standard library, and nobody needs it
    sys.modules.pop(name, None)
    with without(name), pytest.raises(ImportError):
        importlib.import_module(name)

    assert name == importlib.import_module(name).__name__


def test_a_library_that_is_loaded_stays() -> None:
    """Whoever uses it already goes on doing so."""
    with without("importlib"):
        found = sys.modules["importlib"]

    assert importlib is found
