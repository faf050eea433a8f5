"""Import a library as if another, which it would use, were not installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast


@contextmanager
def without(name: str) -> Iterator[None]:
    """Imports of `name` fail meanwhile, unless it was imported before."""
    modules = cast("dict[str, Any]", sys.modules)
    if name in modules:
        yield
        return
    modules[name] = None  # what the import system takes for "there is none"
    try:
        yield
    finally:
        del modules[name]
