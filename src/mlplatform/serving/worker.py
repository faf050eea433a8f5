"""One of several serving processes of a pod, started by `mlplatform.serving.workers`.

It serves as the only process would, on a socket that it inherits and in folders of its own. So the
outbox of each has one writer, and nothing is shared but the port and what says who is ready.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Self

from mlplatform.errors import Unavailable
from mlplatform.outbox.folder import of_worker
from mlplatform.serving.board import Board
from mlplatform.serving.handler import Handler
from mlplatform.settings import Settings
from mlplatform.telemetry import bind, logger

_POLL_S = 0.1
"""How old the board may be. A probe comes every few seconds."""
_SETTLE_S = 10.0
"""What a successor may take to load its model before it takes connections all the same: then its
answers say what is missing."""
_log = logger("serving")


@dataclass(frozen=True)
class ServingWorker:
    """Number from 1 on, its listening socket, and the board of all.

    Without them it is the only serving process, and nothing here does anything.
    """

    number: int = 0
    listener: socket.socket | None = None
    board: Board | None = None
    successor: bool = False
    """Another process was this worker before, so connections may wait already."""

    @classmethod
    def inherited(cls, words: str, settings: Settings) -> Self:
        """The worker that the parent's `--worker` describes: number, socket and board."""
        number, listener, descriptor = map(int, words.split(","))
        bind(worker=number)
        board = Board(descriptor, settings.serving.workers)
        return cls(number, socket.socket(fileno=listener), board, board.succeeds(number))

    def settings(self, common: Settings) -> Settings:
        """What this worker has of its own: folders, its part of the disk, a port for metrics."""
        outbox, serving, source = common.outbox, common.serving, common.source
        pages = common.telemetry
        return common.model_copy(
            update={
                "outbox": outbox.model_copy(
                    update={
                        "folder": self._own(outbox.folder),
                        "capacity_bytes": outbox.capacity_bytes // serving.workers,
                    }
                ),
                "serving": serving.model_copy(update={"cache": self._own(serving.cache)}),
                "source": source.model_copy(update={"cache": self._own(source.cache)}),
                "telemetry": pages.model_copy(
                    update={"metrics_port": pages.metrics_port and pages.metrics_port + self.number}
                ),
            }
        )

    def begin(self, handler: Handler, settings: Settings) -> list[Callable[[], Awaitable[None]]]:
        """Show the pages of this worker alone, and be ready only where all workers are.

        Returns what is to run in the background.
        """
        if self.board is None:
            return []
        import_module("mlplatform.work_pages").serve_pages(settings.telemetry)
        handler.others = partial(self._refuse_missing, self.board)
        return [partial(self._watch, handler, self.board)]

    async def _watch(self, handler: Handler, board: Board) -> None:
        """Show on the board whether this worker is ready, and leave when the parent has gone."""
        parent = os.getppid()
        try:
            while True:
                board.show(self.number, ready=_is_ready(handler))
                if os.getppid() != parent:
                    _log.error("leaving, since the parent process has ended")
                    os.kill(os.getpid(), signal.SIGTERM)
                    parent = os.getppid()
                await asyncio.sleep(_POLL_S)
        finally:
            board.show(self.number, ready=False)

    async def settle(self, handler: Handler) -> None:
        """As a successor, wait for the model: what has connected meanwhile is not to get 503."""
        if not self.successor:
            return
        for _ in range(int(_SETTLE_S / _POLL_S)):
            if _is_ready(handler):
                return
            await asyncio.sleep(_POLL_S)

    def _own(self, folder: Path | None) -> Path | None:
        return folder and of_worker(folder, self.number)

    def _refuse_missing(self, board: Board) -> None:
        if missing := [number for number in board.missing() if number != self.number]:
            raise Unavailable(f"worker {', '.join(map(str, missing))} is not ready")


ALONE = ServingWorker()


def _is_ready(handler: Handler) -> bool:
    try:
        handler.refuse_unready()
    except Unavailable:
        return False
    return True
