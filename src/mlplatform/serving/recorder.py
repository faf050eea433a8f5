"""Record every answered request before its response leaves: a thread with group commit.

The event loop hands over requests. The thread takes whatever has been handed over meanwhile,
numbers and encodes it, appends it to the outbox in one write, and lets the loop send the responses.
A request whose record can't be stored gets an error instead: a 200 means that the request is on
disk, in the sense of `serving.durability`. Where it must be in the queue too, what is stored waits
for that in `acknowledgements`, and the loop waits for nothing.

Where the disk takes a fraction of a millisecond, waking a sleeping loop costs as much as the write.
So the loop waits for a thread that had nothing to do, for `_LONGEST_WAIT_S` at most, while the disk
has lately been that fast and the requests are small; otherwise it goes on at once. In both cases
the thread alone writes, so a disk that begins to hang holds up the loop no longer than that.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from mlplatform.contracts.request import encode
from mlplatform.errors import PlatformError, Unavailable
from mlplatform.outbox import OutboxStatus, OutboxWriter
from mlplatform.serving.acknowledgements import Acknowledgements, Settled
from mlplatform.serving.chain import RecordChain, RecordGroup
from mlplatform.serving.recording import too_large
from mlplatform.serving.request import PendingRequest
from mlplatform.telemetry import logger

GROUP_BYTES = 4 * 1024 * 1024
"""Most bytes in one append. A group is what waited during the last append; above a few MiB a sync
costs more than it shares, and the first requests of the group would wait for the last."""
_GRACE_S = 10.0
"""Longest that `close` waits for the disk."""
_HUNG_S = 5.0
"""A disk that takes longer for one group is taken as hung: a sync takes milliseconds, on a bad day
tenths of a second."""
_FAST_S = 0.0005
"""A disk that has lately taken less for a group is worth waiting for: what else the loop could do
meanwhile is little, and it finds all that has come from its sockets in one go afterwards."""
_LONGEST_WAIT_S = 0.002
"""Longest that the loop waits for a group. A disk that takes longer once is slow for the next few
groups, so this is spent now and then, not with each request."""
_LIGHT_BYTES = 8 * 1024
"""Bodies larger than this take longer to be read and predicted than their record adds to a write:
the loop goes on with the next one while the disk works, instead of waiting."""
_SHARE = 0.2  # of the latest group in the estimate
_log = logger("serving")


@dataclass(frozen=True, slots=True)
class _Task:
    """Something else to do with the outbox. The thread does it: the writer belongs to it."""

    work: Callable[[OutboxWriter], Any]
    result: asyncio.Future[Any]


class _Stop:
    """Ends the thread after everything that was handed over before."""


_Item = Sequence[PendingRequest] | _Task | _Stop
Answer = TypeVar("Answer")


class RequestRecorder:
    """Owns the outbox writer from `start` to `close`. All methods run on the event loop.

    With `acknowledgements`, which it starts and closes too, answers wait for the queue as well.
    """

    def __init__(
        self,
        writer: OutboxWriter,
        *,
        max_record_bytes: int,
        capacity_bytes: int,
        acknowledgements: Acknowledgements | None = None,
    ) -> None:
        self.incarnation, self.previous = writer.incarnation, writer.previous
        self.max_record_bytes = max_record_bytes
        self._writer = writer
        self._chain = RecordChain(writer)
        self._group_bytes = min(GROUP_BYTES, capacity_bytes // 4)
        self._queue: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="outbox-writer", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        # When the append began that is running; None between appends. Set by the thread and read by
        # the loop without a lock: one assignment, and a value that is a moment old does no harm.
        self._appending_since: float | None = None
        self._group_s = 0.0  # what a group takes, by the latest ones
        self._results: queue.SimpleQueue[Settled] = queue.SimpleQueue()
        self._acknowledgements = acknowledgements
        self._unsettled = 0  # requests whose outcome the loop has not seen
        self._waited_for = False  # the loop takes the next result itself
        self._light = True  # what was handed over last, by its size
        self._before = 1  # requests in what was handed over last

    def start(self) -> None:
        """Start the thread; it will resolve requests on the running loop."""
        self._loop = asyncio.get_running_loop()
        if self._acknowledgements is not None:
            self._acknowledgements.start(self._hand_back)
        self._thread.start()

    def submit(self, requests: Sequence[PendingRequest]) -> None:
        """Store answered requests.

        Each one's `done` resolves when its record is durable, or fails with the reason why it
        isn't.
        """
        idle = not self._unsettled
        self._unsettled += len(requests)
        size = sum(len(pending.request.body) for pending in requests)
        self._light = size <= _LIGHT_BYTES * len(requests)
        alone = len(requests) == self._before == 1
        self._before = len(requests)
        self._waited_for = idle and self._is_fast() and (self._light or alone)
        self._queue.put(requests)
        if self._waited_for:
            self._await()

    def _await(self) -> None:
        """Settle what the thread stores meanwhile, and leave the rest to a later turn."""
        try:
            until = time.monotonic() + _LONGEST_WAIT_S
            while self._unsettled:
                self._settle(self._results.get(timeout=max(0.0, until - time.monotonic())))
        except queue.Empty:
            pass
        finally:
            self._waited_for = False
            # A result that came in between, of which the thread believes that it is waited for.
            self._settle_all()

    def _settle_all(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._settle(self._results.get_nowait())

    def _settle(self, settled: Settled) -> None:
        self._unsettled -= len(settled)
        for pending, error in settled:
            if error is None:
                pending.finish()
            else:
                pending.fail(error)

    def commit_s(self) -> float:
        """How long what is stored next holds up the loop: 0 where the loop does not wait."""
        return self._group_s if self._light and self._is_fast() else 0.0

    def _is_fast(self) -> bool:
        """Whether the loop may wait for a group: never where the queue has a part in it."""
        return self._group_s < _FAST_S and self._acknowledgements is None

    def refuse_if_hung(self) -> None:
        """Raise Unavailable when one append has taken so long that the disk is taken as hung.

        Also while the queue does not acknowledge what answers wait for.
        """
        if self._acknowledgements is not None:
            self._acknowledgements.refuse_if_overdue()
        since = self._appending_since
        if since is None:
            return
        seconds = time.monotonic() - since
        if seconds > _HUNG_S:
            raise Unavailable(
                f"writing to the outbox has taken {seconds:.0f} s so far; its disk may hang",
                retry_after_s=_HUNG_S,
            )

    async def status(self) -> OutboxStatus:
        """The outbox's numbers, within seconds.

        Raises Unavailable when the outbox is closed or its disk fails or hangs.
        """
        return await self._on_thread(OutboxWriter.status)

    async def renew(self, why: str) -> None:
        """Number the next request under a new identity. Raises Unavailable, as `status` does."""
        await self._on_thread(lambda writer: writer.renew(why))

    async def confirm(self) -> None:
        """Keep that the data API takes this run as the owner. Raises Unavailable."""
        await self._on_thread(OutboxWriter.confirm)

    async def forget(self, outbox_id: str) -> None:
        """Of a former identity nothing is left to say. Raises Unavailable."""
        await self._on_thread(lambda writer: writer.forget(outbox_id))

    async def send_again(self, resets: int) -> None:
        """Have sent again what the outbox still holds, once per reset. Raises Unavailable."""
        await self._on_thread(lambda writer: writer.send_again(resets))

    async def close(self) -> None:
        """Store what was handed over, then close the outbox."""
        self._queue.put(_Stop())
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join, _GRACE_S)
        # Closing it under a thread that still writes would lose the lock that keeps others out.
        if self._thread.is_alive():
            _log.error("writing to the outbox timed out; it is left as it is")
            return
        self._writer.close()
        if self._acknowledgements is not None:
            await asyncio.to_thread(self._acknowledgements.close)

    async def _on_thread(self, work: Callable[[OutboxWriter], Answer]) -> Answer:
        if not self._thread.is_alive():
            raise Unavailable("the outbox is closed")
        result: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._queue.put(_Task(work, result))
        try:
            # Not `wait_for`: in Python 3.11 it loses a cancellation that comes with the result.
            async with asyncio.timeout(_HUNG_S):
                return await result
        except TimeoutError:
            raise Unavailable("reading the outbox timed out", retry_after_s=_HUNG_S) from None

    def _run(self) -> None:
        running = True
        while running:
            # Blocks for the first item only. Whatever else has been handed over by now goes into
            # the same group: the longer a sync takes, the more requests share the next one.
            entries: list[PendingRequest] = []
            item: _Item | None = self._queue.get()
            while item is not None:
                if isinstance(item, _Task):
                    self._do(item)
                elif isinstance(item, _Stop):
                    running = False
                else:
                    entries.extend(item)
                item = self._next_waiting()
            while entries:
                entries = self._commit(entries)
        # Here, and not on the loop: it may wait for the disk.
        self._writer.close()

    def _next_waiting(self) -> _Item | None:
        try:
            return self._queue.get_nowait()
        except queue.Empty:
            return None

    def _commit(self, entries: list[PendingRequest]) -> list[PendingRequest]:
        """Append the first entries as one group and settle them; returns the rest."""
        chained = self._chain.group()
        group: list[PendingRequest] = []
        settled: Settled = []
        for pending in entries:
            taken = self._add(pending, chained)
            if taken is True:
                group.append(pending)
            elif taken is False:
                break
            else:
                settled.append((pending, taken))
        rest = entries[len(group) + len(settled) :]
        failure = self._stored(chained)
        if failure is None and self._acknowledgements is not None:
            self._acknowledgements.hold(self._writer.next_sequence - 1, group)
        else:
            settled += [(pending, failure) for pending in group]
        self._hand_back(settled)
        return rest

    def _hand_back(self, settled: Settled) -> None:
        """Give the loop outcomes, from any thread."""
        self._results.put(settled)
        # In this order: a loop that stops waiting looks for results afterwards.
        if settled and not self._waited_for:
            self._call(self._settle_all)

    def _add(self, pending: PendingRequest, chained: RecordGroup) -> bool | PlatformError:
        """Add the request's record; False when the group has no room, or why there is no record.

        Never raises: one request must not harm its group.
        """
        # Numbers have no gaps: a request that can't be recorded takes none.
        number = self._writer.next_number + len(chained.payloads)
        try:
            record = chained.sealed(
                pending.record(outbox_id=self._writer.outbox_id, sequence=number)
            )
            payload = encode(record)
        except Exception as error:  # noqa: BLE001  (see above)
            _log.error(
                "a request could not be recorded", request_id=pending.request_id, exc_info=error
            )
            return PlatformError("the request could not be recorded")
        if len(payload) > self.max_record_bytes:
            return too_large(len(payload), self.max_record_bytes)
        if chained.payloads and chained.size + len(payload) > self._group_bytes:
            return False
        chained.take(record, payload)
        return True

    def _stored(self, chained: RecordGroup) -> PlatformError | None:
        """Append; returns why it failed. Never raises: a request without an outcome would hang."""
        self._appending_since = started = time.monotonic()
        try:
            self._writer.append(chained.payloads)
            self._chain.stored(chained)
        except PlatformError as error:
            _log.error(
                "requests were refused: the outbox takes no records",
                requests=len(chained.payloads),
                error=str(error),
            )
            return error
        except Exception as error:  # noqa: BLE001  (see above)
            _log.error(
                "requests were refused: the outbox failed",
                requests=len(chained.payloads),
                exc_info=error,
            )
            return Unavailable("the outbox failed")
        finally:
            self._appending_since = None
            self._group_s += _SHARE * (time.monotonic() - started - self._group_s)
        return None

    def _do(self, item: _Task) -> None:
        found: object
        try:
            found = item.work(self._writer)
        except (OSError, PlatformError) as error:
            found = Unavailable(f"the outbox can't be read: {error}")
        self._call(_give, item.result, found)

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        """Call it on the loop: futures are not safe to touch from this thread."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(function, *arguments)


def _give(result: asyncio.Future[Any], found: object) -> None:
    if result.done():  # nobody waits any more
        return
    if isinstance(found, Exception):
        result.set_exception(found)
    else:
        result.set_result(found)
