"""How requests are coalesced, and that none can harm another."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from mlplatform.errors import DeadlinePassed, FeaturesOverrun, PlatformError, Unavailable
from mlplatform.serving.batcher import Batcher
from mlplatform.serving.deadline import expire
from mlplatform.serving.meters import Meters
from mlplatform.serving.model import LoadedModel
from mlplatform.serving.request import PendingRequest

Scene = Mapping[str, Callable[..., Any]]


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    """The model's thread."""
    with ThreadPoolExecutor(1) as found:
        yield found


class Rig:
    """A batcher that lets every answered request go at once, and notes the sizes of deliveries."""

    def __init__(
        self,
        model: LoadedModel,
        executor: ThreadPoolExecutor,
        *,
        commit_s: float = 0.0,
        **limits: int,
    ) -> None:
        self.delivered: list[int] = []
        given = {"max_requests": 64, "max_rows": 1000} | limits
        self.batcher = Batcher(
            model,
            deliver=self._deliver,
            executor=executor,
            meters=Meters("ward", CollectorRegistry()),
            commit_s=lambda: commit_s,
            **given,
        )

    def _deliver(self, requests: Sequence[PendingRequest]) -> None:
        self.delivered.append(len(requests))
        for pending in requests:
            pending.finish()

    async def ask(self, *requests: PendingRequest) -> list[Any]:
        """Submit all requests in one turn of the loop; their predictions, or their errors."""
        for pending in requests:
            self.batcher.submit(pending)
        return await self.answers(requests)

    async def answers(self, requests: Sequence[PendingRequest]) -> list[Any]:
        """The predictions of what was submitted, or the errors."""
        found = await asyncio.gather(
            *(pending.done for pending in requests), return_exceptions=True
        )
        return [
            error or pending.outputs["prediction"]
            for error, pending in zip(found, requests, strict=True)
        ]


def test_a_request_on_its_own_is_answered_in_its_own_turn(
    scene: Scene, executor: ThreadPoolExecutor
) -> None:
    """Without others there is no waiting at all: it is answered when `submit` returns."""

    async def run() -> bool:
        rig, pending = Rig(scene["model"](), executor), scene["pending"](4.0)
        rig.batcher.submit(pending)
        return bool(pending.done.done())

    assert asyncio.run(run())


def test_requests_of_one_turn_share_a_call(scene: Scene, executor: ThreadPoolExecutor) -> None:
    """The first goes alone while none came along before; from then on a turn is one call."""

    async def run() -> list[int]:
        rig = Rig(scene["model"](), executor)
        for _ in range(2):
            await rig.ask(*(scene["pending"](float(number)) for number in range(5)))
        return rig.delivered

    assert [1, 4, 5] == asyncio.run(run())


def test_every_request_gets_its_own_rows(scene: Scene, executor: ThreadPoolExecutor) -> None:
    """Rows are joined and cut by position, whatever their numbers."""

    async def run() -> list[Any]:
        rig = Rig(scene["model"](), executor)
        return await rig.ask(
            *(scene["pending"](float(number), rows=number) for number in (1, 3, 2, 5))
        )

    assert [[2.0], [6.0] * 3, [4.0] * 2, [10.0] * 5] == asyncio.run(run())


def test_batches_are_bounded_by_requests_and_rows(
    scene: Scene, executor: ThreadPoolExecutor
) -> None:
    """A call takes so many requests and so many rows at most, but at least one request."""

    async def run(**limits: int) -> list[int]:
        rig = Rig(scene["model"](), executor, **limits)
        await rig.ask(scene["pending"]())
        await rig.ask(*(scene["pending"](rows=4) for _ in range(6)))
        return rig.delivered[1:]

    assert [1, 2, 2, 1] == asyncio.run(run(max_requests=2))
    assert [1, 2, 2, 1] == asyncio.run(run(max_rows=9))
    assert [1] * 6 == asyncio.run(run(max_rows=2))


def test_a_batch_that_gains_nothing_more_is_closed(
    scene: Scene, executor: ThreadPoolExecutor
) -> None:
    """Where rows cost far more than the call itself, joining would be only waiting."""

    async def run(rows: int) -> list[int]:
        model = scene["model"]()
        model.measured(1e-5, 1e-5)
        rig = Rig(model, executor)
        await rig.ask(scene["pending"]())
        await rig.ask(*(scene["pending"](rows=rows) for _ in range(7)))
        return rig.delivered[1:]

    assert [1, 6] == asyncio.run(run(1))
    assert [1, 2, 2, 2] == asyncio.run(run(5))
    assert [1] * 7 == asyncio.run(run(50))


@pytest.mark.parametrize("slow", [False, True])
def test_a_request_that_breaks_the_model_breaks_alone(
    scene: Scene, executor: ThreadPoolExecutor, slow: bool
) -> None:
    """The others of its batch are answered; the one to blame gets an error."""

    async def run() -> list[Any]:
        model = scene["model"]()
        model.measured(1.0 if slow else 0.0, 0.0)
        rig = Rig(model, executor)
        requests = [
            scene["pending"](float(number), age=-1 if number == 2 else 1) for number in range(5)
        ]
        return await rig.ask(*requests)

    found = asyncio.run(run())
    assert isinstance(found.pop(2), PlatformError)
    assert [[0.0], [2.0], [6.0], [8.0]] == found


def test_a_slow_model_leaves_the_loop_free_and_collects_meanwhile(
    scene: Scene, executor: ThreadPoolExecutor
) -> None:
    """While a slow call runs in the thread, the loop goes on; later arrivals share one call."""
    release, threads = threading.Event(), set()

    class Waiting(scene["engine"]):  # type: ignore[misc]
        """Waits in its first call until the loop has proven to be free."""

        def predict(self, features: Any) -> Any:
            """See Engine.predict."""
            threads.add(threading.current_thread())
            assert release.wait(10)
            return super().predict(features)

    async def run() -> list[int]:
        engine = Waiting()
        model = scene["model"](engine)
        model.measured(1.0, 0.0)
        rig = Rig(model, executor)
        requests = [scene["pending"]() for _ in range(7)]
        for pending in requests:
            rig.batcher.submit(pending)
            await asyncio.sleep(0)
        release.set()
        await asyncio.gather(*(pending.done for pending in requests))
        return rig.delivered

    assert [1, 6] == asyncio.run(run())
    assert threading.main_thread() not in threads


def test_where_no_padding_helps_each_request_has_its_own_call(
    scene: Scene, executor: ThreadPoolExecutor
) -> None:
    """A model that predicts differently in a batch never gets one."""

    async def run() -> list[int]:
        engine = scene["engine"]()
        model = scene["model"](engine)
        model.multiple = 0
        rig = Rig(model, executor)
        await rig.ask(*(scene["pending"](rows=rows) for rows in (1, 2, 3)))
        return engine.calls

    assert [1, 2, 3] == asyncio.run(run())


def test_rows_come_in_even_numbers(scene: Scene, executor: ThreadPoolExecutor) -> None:
    """Padding fills up to the model's multiple and is cut off again."""

    async def run() -> tuple[list[Any], list[int]]:
        engine = scene["engine"]()
        rig = Rig(scene["model"](engine), executor)
        return await rig.ask(scene["pending"](3.0, rows=3)), engine.calls

    assert ([[6.0] * 3], [4]) == asyncio.run(run())


def test_a_client_that_went_away_harms_nobody(scene: Scene, executor: ThreadPoolExecutor) -> None:
    """A cancelled request is dropped silently; the others of its batch are answered."""

    async def run() -> list[Any]:
        rig = Rig(scene["model"](), executor)
        await rig.ask(*(scene["pending"]() for _ in range(2)))
        gone, here = scene["pending"](1.0), scene["pending"](2.0)
        rig.batcher.submit(gone)
        gone.done.cancel()
        return await rig.ask(here)

    assert [[4.0]] == asyncio.run(run())


def test_only_the_request_that_runs_too_long_fails_and_later_calls_leave_the_loop(
    scene: Scene, executor: ThreadPoolExecutor
) -> None:
    """Who shared the call with it is answered; the event loop is not held a second time."""

    class Slow:
        def predict(self, table: Mapping[str, Any]) -> Mapping[str, Any]:
            if (table["bmi"] == 7.0).any():
                raise FeaturesOverrun("features.py took longer than 1 s for these rows")
            return {"prediction": table["bmi"]}

    async def run() -> tuple[list[Any], bool]:
        model = scene["model"](Slow())
        rig = Rig(model, executor)
        ages = (1.0, 7.0, 3.0)
        found = await rig.ask(*(scene["pending"](age) for age in ages))
        return [type(one).__name__ if isinstance(one, Exception) else one for one in found], (
            model.expected_s(1, 1) > 1.0
        )

    assert ([[1.0], "FeaturesOverrun", [3.0]], True) == asyncio.run(run())


def test_a_caller_who_has_queued_many_does_not_fill_the_next_batch(
    scene: Scene, executor: ThreadPoolExecutor
) -> None:
    """Where more waits than fits, every caller has a part of the next call."""

    async def run() -> list[str]:
        order: list[str] = []
        rig = Rig(scene["model"](), executor, max_requests=2)
        await rig.ask(scene["pending"]())
        requests = [scene["pending"](caller="bulk") for _ in range(8)]
        requests.append(scene["pending"](caller="person"))
        for pending in requests:
            pending.done.add_done_callback(lambda _, who=pending.caller: order.append(who))
        await rig.ask(*requests)
        return order

    assert asyncio.run(run()).index("person") <= 2


def test_a_request_whose_time_is_over_never_reaches_the_model(
    scene: Scene, executor: ThreadPoolExecutor
) -> None:
    """It fails at its deadline, and the batch that it waited for goes without it."""

    async def run() -> tuple[list[Any], list[int]]:
        engine = scene["engine"]()
        rig = Rig(scene["model"](engine), executor)
        await rig.ask(*(scene["pending"]() for _ in range(2)))
        engine.calls.clear()
        late, here = scene["pending"](1.0), scene["pending"](2.0)
        expire(late, time.monotonic() + 1e-3)
        await asyncio.sleep(0.01)
        found = await rig.ask(late, here)
        return found, engine.calls

    found, calls = asyncio.run(run())
    assert isinstance(found[0], DeadlinePassed)
    assert ([4.0], [2]) == (found[1], calls)


def test_what_the_model_has_begun_with_has_no_deadline_any_more(
    scene: Scene, executor: ThreadPoolExecutor
) -> None:
    """It is computed, so it is stored and answered, however late."""

    async def run() -> Any:
        release = threading.Event()

        class Waiting(scene["engine"]):  # type: ignore[misc]
            def predict(self, features: Any) -> Any:
                assert release.wait(10)
                return super().predict(features)

        model = scene["model"](Waiting())
        model.measured(1.0, 0.0)
        rig, pending = Rig(model, executor), scene["pending"](2.0)
        rig.batcher.submit(pending)
        expire(pending, time.monotonic() + 0.01)
        await asyncio.sleep(0.05)
        release.set()
        await pending.done
        return pending.outputs["prediction"]

    assert [4.0] == asyncio.run(run())


def test_a_call_that_was_given_up_stores_nothing(
    scene: Scene, executor: ThreadPoolExecutor
) -> None:
    """Those in it and behind it get the error; what it finds after all is dropped."""

    async def run() -> tuple[list[Any], list[int], list[Any]]:
        release = threading.Event()

        class Waiting(scene["engine"]):  # type: ignore[misc]
            def predict(self, features: Any) -> Any:
                assert release.wait(10)
                return super().predict(features)

        model = scene["model"](Waiting())
        model.measured(1.0, 0.0)
        rig = Rig(model, executor)
        requests = [scene["pending"]() for _ in range(3)]
        for pending in requests:
            rig.batcher.submit(pending)
        await asyncio.sleep(0.01)
        assert rig.batcher.call_s() > 0
        rig.batcher.abandon(Unavailable("it hangs"))
        release.set()
        later = await rig.ask(scene["pending"](2.0))
        return await rig.answers(requests), rig.delivered, later

    given_up, delivered, later = asyncio.run(run())
    assert [Unavailable] * 3 == [type(error) for error in given_up]
    assert ([1], [[4.0]]) == (delivered, later)


@pytest.mark.parametrize(("commit_s", "batches"), [(60.0, [3, 3]), (0.0, [3, 1, 1, 1])])
def test_requests_of_several_turns_share_a_batch_where_storing_takes_time(
    scene: Scene, executor: ThreadPoolExecutor, commit_s: float, batches: list[int]
) -> None:
    """Three callers who come again one after the other are answered, and stored, together."""

    async def run() -> list[int]:
        rig = Rig(scene["model"](), executor, commit_s=commit_s)
        rig.batcher.submit(scene["pending"](0.0))
        await rig.ask(*[scene["pending"](1.0) for _ in range(2)])
        rig.delivered.clear()
        await rig.ask(*[scene["pending"](2.0) for _ in range(3)])
        again = [scene["pending"](3.0) for _ in range(3)]
        for pending in again:
            rig.batcher.submit(pending)
            await asyncio.sleep(0)
        await rig.answers(again)
        return rig.delivered

    assert batches == asyncio.run(run())
