"""Answers that wait until the queue has their records (`serving.durability: replicated`).

The shipper, another process, sends the records and notes in the outbox's folder up to which number
the queue has acknowledged them. A thread reads that number every millisecond while an answer waits,
and sleeps otherwise; the event loop never waits for it.

An answer that has waited too long becomes an error: its record is in the outbox, and may reach the
queue later. From then on new requests are refused, until the queue has acknowledged that record
too. So what waits here is bounded by what came in during the limit.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from mlplatform.errors import NotAcknowledged, Unavailable
from mlplatform.outbox.passed_by import PassedBy
from mlplatform.outbox.position import AcknowledgedFile
from mlplatform.serving.request import PendingRequest
from mlplatform.telemetry import gauge, histogram, logger

_POLL_S = 0.001
"""How late an acknowledgement may be noticed. Kafka takes some milliseconds for one."""
_OVERDUE_POLL_S = 0.05
"""The same while requests are refused: nobody waits for it that closely."""
_RETRY_AFTER_S = 5.0
"""A broker that went away is back within seconds, or not soon."""
_log = logger("serving")
Settled = list[tuple[PendingRequest, Exception | None]]


class _Held(NamedTuple):
    """A stored request, the number of its record in the folder, and when it was stored."""

    number: int
    pending: PendingRequest
    at: float


class Acknowledgements:
    """Holds stored requests of one outbox back. One thread, from `start` to `close`."""

    def __init__(self, folder: Path, *, within_s: float) -> None:
        """Answers wait for `within_s` at most. The outbox in `folder` must have been made."""
        self._within_s = within_s
        self._file = AcknowledgedFile(folder)
        self._passed_by = PassedBy(folder)
        self._held: deque[_Held] = deque()  # by number, and so by time
        self._overdue = 0  # the last number that was given up; 0: none, or acknowledged since
        self._closed = False
        self._readable = True
        self._changed = threading.Condition()  # guards what is above
        self._settle: Callable[[Settled], None] = lambda _: None
        self._thread = threading.Thread(target=self._run, name="acknowledgements", daemon=True)

    def start(self, settle: Callable[[Settled], None]) -> None:
        """Start the thread; it calls `settle` with what no longer waits."""
        self._settle = settle
        gauge("serving_unacknowledged_requests").set_function(lambda: len(self._held))
        self._thread.start()

    def hold(self, last: int, requests: Sequence[PendingRequest]) -> None:
        """Hold back requests whose records are stored, the last one as number `last`."""
        now, first = time.monotonic(), last - len(requests) + 1
        with self._changed:
            self._held.extend(
                _Held(number, pending, now) for number, pending in enumerate(requests, first)
            )
            self._changed.notify()

    def refuse_if_overdue(self) -> None:
        """Raise Unavailable while the queue lacks a record whose answer was given up."""
        if self._overdue:
            raise Unavailable(
                "the queue has not acknowledged stored requests for"
                f" {self._within_s:g} s, and no answer may leave without that",
                retry_after_s=_RETRY_AFTER_S,
            )

    def close(self) -> None:
        """End the thread. What still waits is given up."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join()
        self._file.close()

    def _run(self) -> None:
        while self._await():
            self._inspect()
            if self._held:
                time.sleep(_POLL_S)
            elif self._overdue:
                time.sleep(_OVERDUE_POLL_S)
        self._inspect()
        with self._changed:
            rest = [self._held.popleft() for _ in range(len(self._held))]
        self._settle([(each.pending, _given_up(each, "serving ends")) for each in rest])

    def _await(self) -> bool:
        """Return when there is something to look for; False when it is the end."""
        with self._changed:
            while not (self._held or self._overdue or self._closed):
                self._changed.wait()
            return not self._closed

    def _inspect(self) -> None:
        """Let go what is acknowledged, and give up what has waited too long."""
        acknowledged, now = self._acknowledged(), time.monotonic()
        with self._changed:
            gone = self._first(lambda held: held.number <= acknowledged)
            late = self._first(lambda held: held.at + self._within_s <= now)
            if late:
                self._overdue = late[-1].number
            elif self._overdue <= acknowledged:
                self._overdue = 0
        if gone:
            histogram("serving_acknowledgement_seconds").observe(now - gone[0].at)
            self._settle(self._judged(gone))
        if late:
            self._give_up(late, acknowledged)

    def _give_up(self, late: Sequence[_Held], acknowledged: int) -> None:
        _log.error(
            "requests are refused: the queue does not acknowledge their records",
            requests=len(late),
            last=late[-1].number,
            acknowledged=acknowledged,
        )
        why = f"the queue did not acknowledge its record within {self._within_s:g} s"
        self._settle([(each.pending, _given_up(each, why)) for each in late])

    def _first(self, belongs: Callable[[_Held], bool]) -> list[_Held]:
        """Take the foremost ones of that kind."""
        found = []
        while self._held and belongs(self._held[0]):
            found.append(self._held.popleft())
        return found

    def _judged(self, acknowledged: Sequence[_Held]) -> Settled:
        """Their outcomes: answered, unless the shipper had to leave the record behind."""
        try:
            missing = self._passed_by.among([each.number for each in acknowledged])
        except OSError as error:
            _log.error("the outbox can't be read", error=error.strerror)
            missing = {each.number for each in acknowledged}  # not known to be there
        why = "its record could not be sent to the queue"
        return [
            (each.pending, _given_up(each, why) if each.number in missing else None)
            for each in acknowledged
        ]

    def _acknowledged(self) -> int:
        """The number; 0 while it can't be read, which is logged once."""
        try:
            found = self._file.read()
        except OSError as error:
            if self._readable:
                _log.error("the outbox can't be read", error=error.strerror)
            found = None
        self._readable = found is not None
        return found.sequence if found else 0


def _given_up(held: _Held, why: str) -> NotAcknowledged:
    request_id = held.pending.request_id
    return NotAcknowledged(
        f"request {request_id} was not answered: {why}. It is stored here, and may still be"
        " recorded",
        retry_after_s=_RETRY_AFTER_S,
        request_id=request_id,
    )
