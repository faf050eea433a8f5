"""How a long tour reports where it is.

The command line has two reporters: a live display for terminals, plain lines elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

Say = Callable[[str], None]


class Reporter(Protocol):
    """Called by the thread that does the work."""

    def step(self, title: str) -> AbstractContextManager[Say]:
        """A step of the tour.

        The function that the block gets reports what has been reached so far; the last report stays
        on the step's line when it is over.
        """
        ...

    def note(self, text: str) -> None:
        """A line of its own."""
        ...
