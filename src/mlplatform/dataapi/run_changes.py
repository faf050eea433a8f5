"""Waits for changes of runs: one question to the database for all who wait, and no thread each."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping

from fastapi.concurrency import run_in_threadpool

from mlplatform.database import runs
from mlplatform.database.pools import PrimaryPool

POLL_S = 0.5
"""Between two questions, while anybody waits. Several data APIs write: none knows all changes."""
Changes = Mapping[str, tuple[int, bool]]


class RunChanges:
    """For the coroutines of one event loop."""

    def __init__(self, warehouse: PrimaryPool) -> None:
        self._warehouse = warehouse
        self._awaited: Counter[str] = Counter()
        self._round: asyncio.Task[Changes] | None = None

    async def wait(self, run: str, *, seen: int | None, seconds: float) -> None:
        """Return when a run has ended, or has changed since `seen`, or when the time is over.

        Raises Unavailable without a database.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + seconds
        self._awaited[run] += 1
        try:
            while clock() < deadline:
                changes, final = (await self._next()).get(run, (0, False))
                if final or (seen is not None and changes > seen):
                    return
        finally:
            self._awaited -= Counter([run])  # one that nobody awaits is gone from it

    async def _next(self) -> Changes:
        if self._round is None or self._round.done():
            self._round = asyncio.create_task(self._poll())
        # Shielded: a caller who goes away must not take the answer from the others.
        return await asyncio.shield(self._round)

    async def _poll(self) -> Changes:
        await asyncio.sleep(POLL_S)
        return await run_in_threadpool(self._read, sorted(self._awaited))

    def _read(self, ids: list[str]) -> Changes:
        with self._warehouse.transaction() as connection:
            return runs.changes(connection, ids)
