"""What the tour has done in a home already, so that a second start does not do it again."""

from __future__ import annotations

import json
from pathlib import Path

from mlplatform.local import home_files
from mlplatform.local.secrets import write_private


class Progress:
    """Named steps that are done; kept in <home>/tour.json."""

    def __init__(self, home: Path) -> None:
        self._path = home / "tour.json"
        former = home / "road.json"  # its name until version 0.1
        if former.exists() and not self._path.exists():
            former.rename(self._path)
        fix = "remove it; the tour then takes its steps again"
        self._done = home_files.read(self._path, home_files.NAMES, fix=fix) or []

    def done(self, *step: str) -> bool:
        """True when that step was finished at an earlier start."""
        return "/".join(step) in self._done

    def set(self, *step: str) -> None:
        """Take note that a step is finished."""
        self._done.append("/".join(step))
        write_private(self._path, json.dumps(self._done) + "\n")
