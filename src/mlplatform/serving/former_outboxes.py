"""What other numbers of workers have left behind: reported until the shipper has emptied it.

A single process writes the configured folder, each of several workers one below it. Where their
number was another before, an outbox has nobody any more who says what it holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from mlplatform.client.dataapi import DataApi
from mlplatform.errors import PlatformError
from mlplatform.loop import jittered
from mlplatform.outbox import folder as files
from mlplatform.serving.heartbeat import Heartbeat
from mlplatform.serving.recorder import RequestRecorder
from mlplatform.serving.slot import Slots
from mlplatform.telemetry import logger

_log = logger("serving")


class FormerOutboxes:
    """`run` reports those in `folders`, each until it is empty and reported as closed.

    `opened` opens the recorder of a folder.
    """

    def __init__(
        self,
        folders: list[Path],
        opened: Callable[[Path], RequestRecorder],
        *,
        api: DataApi,
        every_s: float,
    ) -> None:
        self._folders = folders
        self._opened = opened
        self._api = api
        self._every_s = every_s

    async def run(self) -> None:
        """Until all of them are closed."""
        await asyncio.gather(*(self._report(folder) for folder in self._folders))

    async def _report(self, folder: Path) -> None:
        try:
            recorder = await asyncio.to_thread(self._opened, folder)
        except PlatformError as error:
            _log.error("an outbox of before can't be reported", error=str(error))
            return
        _log.info("an outbox of before is reported until it is empty", folder=str(folder))
        recorder.start()
        heartbeat = Heartbeat(recorder, Slots([]), api=self._api, every_s=self._every_s)
        try:
            while True:
                if await self._closed(recorder, heartbeat):
                    break
                await asyncio.sleep(jittered(self._every_s))
        finally:
            await recorder.close()
        _log.info("an outbox of before is empty, and reported as closed", folder=str(folder))

    async def _closed(self, recorder: RequestRecorder, heartbeat: Heartbeat) -> bool:
        try:
            status = await recorder.status()
        except PlatformError:  # the heartbeat says so
            status = None
        empty = status is not None and status.accepted == status.acknowledged and not status.former
        return await heartbeat.beat(closed=empty) and empty


def abandoned(root: Path, workers: int) -> list[Path]:
    """The outboxes in `root` that so many workers, or a single process, do not write."""
    numbers = range(1, workers + 1)
    written = [files.of_worker(root, number) for number in numbers] if workers > 1 else [root]
    return [folder for folder in files.outboxes(root) if folder not in written]
