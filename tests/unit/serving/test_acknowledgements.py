"""Answers that wait for the queue: when they leave, and what they get instead."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from mlplatform.errors import NotAcknowledged, Unavailable
from mlplatform.outbox import OutboxReader, OutboxWriter
from mlplatform.outbox import damage as damages
from mlplatform.outbox.record import Damage
from mlplatform.serving.acknowledgements import Acknowledgements
from mlplatform.serving.app import Collaborators, create_app
from mlplatform.serving.handler import Handler
from mlplatform.serving.meters import Meters
from mlplatform.serving.recorder import RequestRecorder
from mlplatform.serving.slot import Slot, Slots
from mlplatform.settings import ServingSettings
from mlplatform.shipper.oversize import set_aside

Scene = Mapping[str, Callable[..., Any]]
ROW = {"age": 1, "bmi": 1.5, "class": "a", "smoker": True}


class Ends:
    """Both ends of an outbox, the shipper's played by the test."""

    def __init__(self, folder: Path, within_s: float) -> None:
        self.folder = folder
        self.writer = OutboxWriter.open(folder, segment_bytes=1 << 16, capacity_bytes=1 << 22)
        self.recorder = RequestRecorder(
            self.writer,
            max_record_bytes=10_000,
            capacity_bytes=1 << 22,
            acknowledgements=Acknowledgements(folder, within_s=within_s),
        )
        self.reader = OutboxReader.open(folder)

    def acknowledge(self, count: int = 1_000_000) -> None:
        """So many of the oldest records."""
        self.reader.acknowledge(self.reader.read(count, 1 << 30)[-1].sequence)

    async def stored(self, scene: Scene, count: int) -> list[Any]:
        """So many requests, handed over at once and stored."""
        requests = [scene["pending"]() for _ in range(count)]
        for pending in requests:
            pending.outputs = {"prediction": [1.0]}
        self.recorder.submit(requests)
        await self.holds(count)
        return requests

    async def holds(self, count: int) -> None:
        """Return when so many records wait for the shipper."""
        while True:
            if len(self.reader.read(1_000, 1 << 30)) >= count:
                return
            await asyncio.sleep(0.005)


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[Callable[[float], Ends]]:
    """An outbox whose answers wait for so many seconds."""
    made: list[Ends] = []

    def make(within_s: float) -> Ends:
        made.append(Ends(tmp_path, within_s))
        return made[-1]

    yield make
    for each in made:
        each.reader.close()


def done(requests: list[Any]) -> list[bool]:
    return [pending.done.done() for pending in requests]


def test_an_answer_leaves_when_its_own_record_is_acknowledged(
    scene: Scene, ends: Callable[[float], Ends]
) -> None:
    """Not when it is stored, nor when those before it are; and the loop waits for none of it."""
    both = ends(60.0)

    async def run() -> list[list[bool]]:
        both.recorder.start()
        requests = await both.stored(scene, 5)
        await asyncio.sleep(0.1)
        found = [done(requests)]
        for count, last in ((2, 1), (3, 4)):
            both.acknowledge(count)
            await requests[last].done
            await asyncio.sleep(0.05)
            found.append(done(requests))
        assert 0.0 == both.recorder.commit_s()
        await both.recorder.close()
        return found

    waits, answered = [False] * 5, [True] * 5
    assert [waits, [True, True, False, False, False], answered] == asyncio.run(run())


def test_what_waits_too_long_is_refused_and_so_is_what_comes_then(
    scene: Scene, ends: Callable[[float], Ends]
) -> None:
    """The error names the request; new ones are taken when the queue has what was given up."""
    both = ends(0.2)

    async def run() -> list[str]:
        recorder, found = both.recorder, list[str]()
        recorder.start()
        requests = await both.stored(scene, 3)
        outcomes = await asyncio.gather(*(each.done for each in requests), return_exceptions=True)
        found += [f"{type(each).__name__} {getattr(each, 'request_id', '')}" for each in outcomes]
        for count in (2, 1):
            with pytest.raises(Unavailable, match="has not acknowledged"):
                recorder.refuse_if_hung()
            both.acknowledge(count)
            await asyncio.sleep(0.2)
        recorder.refuse_if_hung()
        await recorder.close()
        return found

    assert ["NotAcknowledged id"] * 3 == asyncio.run(run())


@pytest.mark.parametrize("kind", ["damaged", "oversize"])
def test_an_acknowledged_record_that_the_queue_lacks_is_no_answer(
    scene: Scene, ends: Callable[[float], Ends], kind: str
) -> None:
    """The shipper went on behind it: the others are answered."""
    both = ends(60.0)

    async def run() -> list[Any]:
        both.recorder.start()
        requests = await both.stored(scene, 3)
        if kind == "damaged":
            damages.name(both.folder, Damage(2, 2, 1, 0, 0))
        else:
            set_aside(both.folder, "id", both.reader.read(10, 1 << 20)[1], "too large")
        both.acknowledge()
        found = await asyncio.gather(*(each.done for each in requests), return_exceptions=True)
        await both.recorder.close()
        return found

    first, second, third = asyncio.run(run())
    assert (None, None) == (first, third)
    assert isinstance(second, NotAcknowledged)
    assert "could not be sent" in str(second)


def test_a_number_that_cannot_be_read_lets_nothing_go(
    scene: Scene, ends: Callable[[float], Ends]
) -> None:
    """Both places of the file are damaged: nothing is known to be in the queue."""
    both = ends(0.3)

    async def run() -> list[Any]:
        both.recorder.start()
        requests = await both.stored(scene, 2)
        file = os.open(both.folder / "acknowledged", os.O_WRONLY)
        for place in (0, 4096):
            os.pwrite(file, b"\xff" * 40, place)
        os.close(file)
        found = await asyncio.gather(*(each.done for each in requests), return_exceptions=True)
        await both.recorder.close()
        return found

    assert [NotAcknowledged] * 2 == [type(each) for each in asyncio.run(run())]


def test_an_end_gives_up_what_waits(scene: Scene, ends: Callable[[float], Ends]) -> None:
    """Nobody is left without an outcome, what was acknowledged is answered, no thread is left."""
    both = ends(60.0)

    async def run() -> list[Any]:
        both.recorder.start()
        requests = await both.stored(scene, 3)
        both.acknowledge(1)
        await both.recorder.close()
        return await asyncio.gather(*(each.done for each in requests), return_exceptions=True)

    assert [type(None), NotAcknowledged, NotAcknowledged] == [
        type(each) for each in asyncio.run(run())
    ]
    assert "acknowledgements" not in [thread.name for thread in threading.enumerate()]


def test_over_http_the_refusal_names_the_request(
    scene: Scene, ends: Callable[[float], Ends]
) -> None:
    """503 with its id in body and header; then not ready and 503 at once, until the queue is up."""
    both, limits = ends(0.2), ServingSettings()
    slot = Slot(
        "ward",
        limits=limits,
        deliver=both.recorder.submit,
        meters=Meters("ward", CollectorRegistry()),
    )
    slot.swap(scene["model"]())
    handler = Handler(
        slots=Slots([slot]), recorder=both.recorder, access=None, limits=limits, new_id=lambda: "7"
    )
    transport = httpx.ASGITransport(app=create_app(Collaborators(handler=handler)))

    async def run() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=transport, base_url="http://serving") as client:
            handler.start()
            asked = ("/v1/models/ward/predict", {"rows": [ROW]})
            found = [await client.post(asked[0], json=asked[1]) for _ in range(2)]
            found.append(await client.get("/v2/health/ready"))
            both.acknowledge()
            await asyncio.sleep(0.2)
            found.append(await client.get("/v2/health/ready"))
            last = asyncio.ensure_future(client.post(asked[0], json=asked[1]))
            await both.holds(1)
            both.acknowledge()
            found.append(await last)
        await handler.close()
        return found

    late, refused, unready, ready, answered = asyncio.run(run())
    assert (503, "7", "7") == (
        late.status_code,
        late.headers["x-request-id"],
        late.json()["request_id"],
    )
    assert ("urn:mlplatform:NotAcknowledged", "5") == (
        late.json()["type"],
        late.headers["retry-after"],
    )
    assert (503, "urn:mlplatform:Unavailable") == (refused.status_code, refused.json()["type"])
    assert "x-request-id" not in refused.headers
    assert [503, 200, 200] == [each.status_code for each in (unready, ready, answered)]
    assert 2 == both.writer.next_sequence - 1
