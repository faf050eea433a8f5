"""How a long road tells people where it is.

The command line has two reporters: a live display for terminals, plain lines elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

Say = Callable[[str], None]


class Reporter(Protocol):
    """Told by the thread that works."""

    def step(self, title: str) -> AbstractContextManager[Say]:
        """A step of the road.

        Inside, the function given says what has been reached so far; the last word stands at its
        end.
        """
        ...

    def note(self, text: str) -> None:
        """A line of its own."""
        ...
