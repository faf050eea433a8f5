"""What a long-lived process does with its memory: while it starts, and after a model is loaded."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress


def begin_start() -> None:
    """Collect no garbage until `end_start`: a start makes little, and a tenth of it was looking."""
    gc.disable()


def end_start() -> None:
    """Collect garbage from now on, without looking through all that the start has made."""
    gc.freeze()
    gc.enable()


def give_back() -> None:
    """Return what the C library keeps for later, which after a model's load may be half of it.

    The library for ONNX reads a model into objects that it throws away. Of glibc only; a few
    milliseconds.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def set_aside() -> None:
    """Spare the garbage collector what stays: it would look at all of it between two requests.

    What was set aside before is looked at once more, since it may be garbage by now; not in a
    start, which leaves little.
    """
    gc.unfreeze()
    if gc.isenabled():
        gc.collect()
    gc.freeze()
