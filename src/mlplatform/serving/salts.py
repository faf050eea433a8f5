"""A salt for each record of the chain, drawn many at a time.

A call for one costs as much as a digest, and lets another thread go first, for which the records of
a group would wait.
"""

from __future__ import annotations

import os

from mlplatform.contracts.chain import SALT_BYTES

_AT_ONCE = 256  # ten microseconds


class Salts:
    """Used by one thread."""

    def __init__(self) -> None:
        """Nothing is drawn before it is needed: a child process must have its own."""
        self._left: list[bytes] = []

    def draw(self) -> bytes:
        """The next one."""
        if not self._left:
            drawn = os.urandom(_AT_ONCE * SALT_BYTES)
            starts = range(0, len(drawn), SALT_BYTES)
            self._left = [drawn[start : start + SALT_BYTES] for start in starts]
        return self._left.pop()
