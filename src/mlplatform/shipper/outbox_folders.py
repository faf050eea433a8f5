"""The outboxes that a shipper finds: one, or one per worker of serving."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from mlplatform.errors import Unavailable
from mlplatform.outbox import OutboxReader
from mlplatform.outbox import folder as files
from mlplatform.settings import Settings
from mlplatform.shipper.sender import OutboxShipper
from mlplatform.telemetry import logger

_SEARCH_EVERY_S = 1.0
"""How long a new worker's outbox may go unnoticed. Loading its model takes the worker longer."""


class OutboxFolders:
    """Opens every outbox below a folder, also one that workers of before have left behind."""

    def __init__(self, root: Path, settings: Settings) -> None:
        self._root = root
        self._settings = settings
        self._open: list[OutboxShipper] = []
        self._searched = float("-inf")
        self._complaint = ""
        self._log = logger("shipper")

    def found(self) -> Sequence[OutboxShipper]:
        """Those that are there as of now, or a moment ago.

        Raises Unavailable while there is none that can be opened, Refused when one of them has a
        shipper already.
        """
        if not self._open or time.monotonic() - self._searched >= _SEARCH_EVERY_S:
            self._search()
            self._searched = time.monotonic()
        return self._open

    def close(self) -> None:
        """Give all of them back."""
        while self._open:
            self._open.pop().close()

    def _search(self) -> None:
        known = {outbox.folder for outbox in self._open}
        complaint = ""
        try:
            # The root itself where there is none yet: opening it says so.
            for folder in files.outboxes(self._root) or [self._root]:
                if folder not in known:
                    reader = OutboxReader.open(folder)
                    self._open.append(OutboxShipper(reader, folder, self._settings))
        except (OSError, Unavailable) as error:  # tried again
            if not self._open:
                raise Unavailable(str(error)) from error
            complaint = str(error)  # the others go on meanwhile
        if complaint and complaint != self._complaint:
            self._log.warning("an outbox can't be opened", error=complaint)
        self._complaint = complaint
