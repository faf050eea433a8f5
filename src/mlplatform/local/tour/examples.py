"""The rows of all example pipelines, made by a child process: scikit-learn's weight is gone again when they are there.

Run as a module it prints them: {"<pipeline>": {"history": [row, …], "live": [row, …]}, …}.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from mlplatform.errors import PlatformError
from mlplatform.local.tour import history

Rows = list[dict[str, Any]]


class Examples:
    """Begins to make the rows at once; `rows` waits for them."""

    def __init__(self) -> None:
        argv = [sys.executable, "-m", "mlplatform.local.tour.examples"]
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._made: Mapping[str, Mapping[str, Rows]] | None = None

    def rows(self, name: str, *, live: bool) -> Rows:
        """Rows of one pipeline: its history, or those that play the live traffic."""
        if self._made is None:
            out, errors = self._process.communicate()
            if self._process.returncode:
                raise PlatformError(f"can't make the example rows: {errors.strip()}", field=name)
            self._made = json.loads(out)
        return self._made[name]["live" if live else "history"]

    def close(self) -> None:
        """End the child if it still runs."""
        self._process.kill()
        self._process.communicate()


def main() -> None:
    """Print the rows."""
    made = {
        name: {"history": list(history.history(name)), "live": list(history.live(name))}
        for name in history.names()
    }
    json.dump(made, sys.stdout)


if __name__ == "__main__":
    main()
