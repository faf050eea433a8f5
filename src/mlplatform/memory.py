"""Memory that is free goes back to the system."""

from __future__ import annotations

import ctypes
from contextlib import suppress


def give_back() -> None:
    """Return what the C library keeps for later, which after a model's load may be half of it.

    The library for ONNX reads a model into objects that it throws away. Of glibc only; a few
    milliseconds.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
