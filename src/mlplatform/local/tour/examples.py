"""The rows of all example pipelines, made by a child process, whose end gives back the memory.

See `mlplatform.local.tour.history`, which the child runs.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from mlplatform.errors import PlatformError

Rows = list[dict[str, Any]]

NAMES = ("breast-cancer", "diabetes", "late-delivery")
"""Pipelines that have example rows."""


class Examples:
    """The rows, made once; `rows` waits for them."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._made: Mapping[str, Mapping[str, Rows]] | None = None

    def begin(self) -> subprocess.Popen[str]:
        """Have them made in the background, unless they are already."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mlplatform.local.tour.history"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        return self._process

    def rows(self, name: str, *, live: bool) -> Rows:
        """Rows of one pipeline: its history, or those for live requests. Raises PlatformError."""
        if self._made is None:
            process = self.begin()
            out, errors = process.communicate()
            if process.returncode:
                raise PlatformError(f"can't make the example rows: {errors.strip()}", field=name)
            self._made = json.loads(out)
        return self._made[name]["live" if live else "history"]

    def close(self) -> None:
        """End the child if it still runs."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
