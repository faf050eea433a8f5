"""Join concurrent requests into one call of the model, without making any request wait for others.

There is no window. What has arrived in one turn of the event loop is answered by one call at the
start of the next turn, unless `gathering` sees others come. When the last turn brought at most one
request, the next request is answered at once, and whatever else arrives in that same turn shares
the call after it. A call that is expected to be slow runs in the model's one thread while the loop
goes on collecting.

Nothing of one request can reach another: rows are joined and cut by position, and when a joined
call fails, each request is tried alone, so that only the one to blame fails.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from mlplatform.errors import FeaturesOverrun, InvalidInput, PlatformError
from mlplatform.serving.fair_queue import FairQueue
from mlplatform.serving.gathering import Gathering
from mlplatform.serving.meters import Meters
from mlplatform.serving.model import SLOW_S, LoadedModel
from mlplatform.serving.request import PendingRequest
from mlplatform.telemetry import logger

_log = logger("serving")
Deliver = Callable[[Sequence[PendingRequest]], None]
"""Takes answered requests."""


class Batcher:
    """The queue of one loaded model.

    `deliver` gets every request whose `outputs` are set, in order of arrival; `commit_s` says how
    long that takes. All methods run on the event loop, so the flags need no lock. They decide when
    a request that arrives is answered:

        _busy  _scheduled  _idle   the request
        yes    any         any     waits until the call in the thread has ended; `_flush` follows
        no     yes         any     waits for the turn that is scheduled
        no     no          yes     is answered at once: nobody came along last time, so waiting for
                                   others would be waiting for nothing
        no     no          no      waits for the turn that it schedules: others came along last
                                   time, and those of this turn then share its call

    `_busy` is set by `_flush` when it hands a slow call to the thread. `_scheduled` is set by
    `submit` and `_flush`, and taken back by `_turn`. `_idle` is what `_turn` counted: at most one
    arrival since the turn before it, and in the batches before that.
    """

    def __init__(
        self,
        model: LoadedModel,
        *,
        deliver: Deliver,
        executor: Executor,
        meters: Meters,
        max_requests: int,
        max_rows: int,
        commit_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.model = model
        self._gathering = Gathering(commit_s)
        self._deliver = deliver
        self._executor = executor
        self._meters = meters
        self._max_requests = max_requests
        self._max_rows = max_rows
        self._queue = FairQueue()
        self._scheduled = False
        self._busy = False
        self._idle = True
        self._arrived = 0  # since the last turn
        self._batch: list[PendingRequest] = []  # in the thread
        self._called_at = 0.0

    @property
    def occupied(self) -> bool:
        """Whether it has requests."""
        return self._busy or bool(self._queue)

    def call_s(self) -> float:
        """How long the call that runs in the thread has taken so far; 0 without one."""
        return time.monotonic() - self._called_at if self._busy else 0.0

    def abandon(self, error: PlatformError) -> None:
        """Give an error to all requests; what the call in the thread may still find is dropped."""
        batch, self._batch = self._batch, []
        for pending in batch:
            pending.fail(error)
        while self._queue:
            self._queue.pop().fail(error)

    def submit(self, pending: PendingRequest) -> None:
        """Take a request. Its `done` fails when the model fails; otherwise it goes to `deliver`."""
        self._queue.append(pending)
        self._arrived += 1
        if self._busy or self._scheduled:
            return
        # Scheduled also when this request is answered at once: the turn counts who came along, and
        # answers them.
        self._schedule()
        if self._idle and self._gathering.alone:
            self._flush()

    def _schedule(self) -> None:
        # call_soon, not a timer: the callbacks that are ready already, among them requests that
        # have been read from their sockets, run before it, and nothing else delays it.
        self._scheduled = True
        asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        if not self._busy and self._gathering.worth(len(self._queue)):
            self._schedule()
            return
        self._idle = self._arrived <= 1
        self._arrived = 0
        if not self._busy:
            self._flush()

    def _flush(self) -> None:
        """Answer one batch."""
        batch, rows = self._next()
        if not batch:
            return
        if self.model.expected_s(len(batch), rows) > SLOW_S:
            self._busy = True
            self._in_thread(batch)
        else:
            self._settle(batch, *_call(self.model, batch))
        # What did not fit into this batch gets the next turn, not this one: between two calls the
        # loop reads and writes sockets.
        if self._queue and not self._busy and not self._scheduled:
            self._schedule()

    def _next(self) -> tuple[list[PendingRequest], int]:
        """The next batch and its rows. It has a request, if any waits, however many rows it has."""
        batch: list[PendingRequest] = []
        rows = 0
        while self._queue and len(batch) < self._max_requests:
            first = self._queue.first()
            if first.done.done():  # its time is over, or its client has gone
                self._queue.pop()
                continue
            more = first.request.rows
            if batch and (rows + more > self._max_rows or not self.model.worth_joining(rows)):
                break
            rows += more
            first.begun = True
            batch.append(self._queue.pop())
        return batch, rows

    def _in_thread(self, batch: list[PendingRequest]) -> None:
        self._batch, self._called_at = batch, time.monotonic()
        future = asyncio.get_running_loop().run_in_executor(
            self._executor, _call, self.model, batch
        )

        def finished(call: asyncio.Future[tuple[dict[int, Exception], float]]) -> None:
            # On the loop again. The flag goes first: `_flush` below may set it for the next batch.
            self._busy = False
            try:
                failed, seconds = call.result()
            except asyncio.CancelledError:
                return  # the loop is closing; the requests' own tasks are cancelled with it
            if self._batch is batch:  # not abandoned
                self._settle(batch, failed, seconds)
            self._flush()

        future.add_done_callback(finished)

    def _settle(
        self, batch: list[PendingRequest], failed: dict[int, Exception], seconds: float
    ) -> None:
        self._meters.called(len(batch), seconds)
        self._gathering.closed(len(batch))
        answered: Sequence[PendingRequest] = batch  # nearly always: then nothing is copied
        if failed:
            for index, error in failed.items():
                batch[index].fail(error)
            answered = [pending for index, pending in enumerate(batch) if index not in failed]
        if answered:
            self._deliver(answered)


def _call(model: LoadedModel, batch: list[PendingRequest]) -> tuple[dict[int, Exception], float]:
    """Answer the batch; returns the errors by position and the seconds that the call took.

    It may run in the thread, so it sets `outputs` and leaves `done` to the loop.
    """
    started = time.perf_counter()
    failed: dict[int, Exception] = {}
    try:
        outputs = model.answer([pending.request for pending in batch])
        for pending, own in zip(batch, outputs, strict=True):
            pending.outputs = own
    except Exception as error:  # noqa: BLE001  (a model is foreign code)
        # Whatever it raises belongs to the request that caused it.
        if isinstance(error, FeaturesOverrun):
            model.distrust()
        alone = len(batch) == 1
        failed = {0: _explained(model, batch[0], error)} if alone else _each_alone(model, batch)
    return failed, time.perf_counter() - started


def _each_alone(model: LoadedModel, batch: list[PendingRequest]) -> dict[int, Exception]:
    failed: dict[int, Exception] = {}
    for index, pending in enumerate(batch):
        try:
            (pending.outputs,) = model.answer([pending.request])
        except Exception as error:  # noqa: BLE001  (as above)
            failed[index] = _explained(model, pending, error)
    return failed


def _explained(model: LoadedModel, pending: PendingRequest, error: Exception) -> Exception:
    """The error that the client gets.

    A row that features.py or the model refuses, or that features.py does not come back from, is the
    row's fault; anything else is ours and goes to the log.
    """
    found = error if isinstance(error, FeaturesOverrun) else model.blame(pending.request, error)
    if isinstance(found, FeaturesOverrun):  # perhaps of a row alone, or while it was searched for
        model.distrust()
    if found is not None or isinstance(error, InvalidInput):
        return found or error
    # An exception's text may hold a value of the row.
    what = {"error": type(error).__name__} if pending.request.redacted else {"exc_info": error}
    _log.error(
        "the model failed on a request",
        pipeline=model.signature.pipeline,
        version=model.version,
        **what,
    )
    return PlatformError(f"the model could not answer: {type(error).__name__}")
