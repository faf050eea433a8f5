"""From answered requests to durable records."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from mlplatform.contracts.request import decode
from mlplatform.errors import OutboxFull, PlatformError, TooLarge, Unavailable
from mlplatform.outbox import OutboxReader, OutboxWriter
from mlplatform.outbox import writer as writer_module
from mlplatform.serving import recorder as recorder_module
from mlplatform.serving.app import Collaborators, create_app
from mlplatform.serving.handler import Handler
from mlplatform.serving.heartbeat import Heartbeat
from mlplatform.serving.meters import Meters
from mlplatform.serving.recorder import RequestRecorder
from mlplatform.serving.slot import Slot, Slots
from mlplatform.settings import ServingSettings

Scene = Mapping[str, Callable[..., Any]]


def stored(folder: Path) -> list[Any]:
    reader = OutboxReader.open(folder)
    try:
        return [decode(record.payload) for record in reader.read(100_000, 1 << 30)]
    finally:
        reader.close()


def outcomes(
    folder: Path, make: Callable[[], list[Any]], *, most: int = 100_000, capacity: int = 1 << 22
) -> list[Any]:
    """Hand the requests over one by one; None or the error of each."""

    async def run() -> list[Any]:
        writer = OutboxWriter.open(folder, segment_bytes=1 << 16, capacity_bytes=capacity)
        recorder = RequestRecorder(writer, max_record_bytes=most, capacity_bytes=capacity)
        recorder.start()
        requests = make()
        for pending in requests:
            pending.outputs = pending.outputs or {"prediction": [1.0] * pending.request.rows}
            recorder.submit([pending])
        found = await asyncio.gather(
            *(pending.done for pending in requests), return_exceptions=True
        )
        await recorder.close()
        return found

    return asyncio.run(run())


def test_records_are_numbered_without_gaps_in_the_order_of_arrival(
    scene: Scene, tmp_path: Path
) -> None:
    """1, 2, 3 … and on after a restart, under one outbox id."""
    for _ in range(2):
        assert [None] * 50 == outcomes(
            tmp_path, lambda: [scene["pending"](float(number)) for number in range(50)]
        )

    records = stored(tmp_path)
    assert list(range(1, 101)) == [record.sequence for record in records]
    assert [[float(number)] for number in range(50)] * 2 == [
        record.inputs["bmi"] for record in records
    ]
    assert 1 == len({record.outbox_id for record in records})


def test_one_record_that_is_too_large_leaves_no_gap(scene: Scene, tmp_path: Path) -> None:
    """It is refused alone, and the numbers go on."""
    found = outcomes(
        tmp_path, lambda: [scene["pending"](rows=rows) for rows in (1, 1, 500, 1)], most=2000
    )

    assert [False, False, True, False] == [isinstance(error, TooLarge) for error in found]
    assert [1, 2, 3] == [record.sequence for record in stored(tmp_path)]


def test_one_record_that_cannot_be_written_harms_no_other(scene: Scene, tmp_path: Path) -> None:
    """Outputs that are no JSON are that request's failure only."""

    def make() -> list[Any]:
        requests = [scene["pending"]() for _ in range(3)]
        requests[1].outputs = {"prediction": [object()]}
        return requests

    found = outcomes(tmp_path, make)
    assert [None, True, None] == [
        error if error is None else isinstance(error, PlatformError) for error in found
    ]
    assert [1, 2] == [record.sequence for record in stored(tmp_path)]


def test_a_full_outbox_refuses_and_what_it_accepted_is_there(scene: Scene, tmp_path: Path) -> None:
    """Every request has an outcome: stored, or OutboxFull."""
    found = outcomes(
        tmp_path, lambda: [scene["pending"](rows=200) for _ in range(300)], capacity=1 << 17
    )

    refused = [error for error in found if error is not None]
    assert all(isinstance(error, OutboxFull) for error in refused)
    assert 300 == len(refused) + len(stored(tmp_path))
    assert refused


def test_closing_stores_what_was_handed_over(scene: Scene, tmp_path: Path) -> None:
    """A request that was submitted before `close` is durable after it."""

    async def run() -> None:
        recorder = RequestRecorder(
            OutboxWriter.open(tmp_path, segment_bytes=1 << 16, capacity_bytes=1 << 20),
            max_record_bytes=10_000,
            capacity_bytes=1 << 20,
        )
        recorder.start()
        pending = scene["pending"]()
        recorder.submit([pending])
        await recorder.close()
        await pending.done

    asyncio.run(run())
    assert 1 == len(stored(tmp_path))


@pytest.mark.parametrize(("fast_s", "waits"), [(60.0, True), (0.0, False)])
def test_the_loop_waits_for_a_fast_disk_only(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fast_s: float, waits: bool
) -> None:
    """Durable when `submit` returns, or the loop goes on at once; no disk is faster than 0 s."""
    monkeypatch.setattr(recorder_module, "_LONGEST_WAIT_S", 60.0)
    monkeypatch.setattr(recorder_module, "_FAST_S", fast_s)

    async def run() -> list[bool]:
        writer = OutboxWriter.open(tmp_path, segment_bytes=1 << 20, capacity_bytes=1 << 22)
        recorder = RequestRecorder(writer, max_record_bytes=10_000, capacity_bytes=1 << 22)
        recorder.start()
        found = []
        for _ in range(10):
            pending = scene["pending"]()
            pending.outputs = {"prediction": [1.0]}
            recorder.submit([pending])
            found.append(pending.done.done())
            await pending.done
        await recorder.close()
        return found

    assert [waits] * 10 == asyncio.run(run())
    assert list(range(1, 11)) == [record.sequence for record in stored(tmp_path)]


def test_the_loop_does_not_wait_for_large_requests(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has more to do than the disk, however fast that is, unless they come one by one."""
    monkeypatch.setattr(recorder_module, "_LONGEST_WAIT_S", 60.0)
    monkeypatch.setattr(recorder_module, "_FAST_S", 60.0)
    monkeypatch.setattr(recorder_module, "_LIGHT_BYTES", 10)

    async def run() -> list[bool]:
        writer = OutboxWriter.open(tmp_path, segment_bytes=1 << 20, capacity_bytes=1 << 22)
        recorder = RequestRecorder(writer, max_record_bytes=10_000, capacity_bytes=1 << 22)
        recorder.start()
        found = []
        for size in (1, 2, 1, 1):
            group = [scene["pending"]() for _ in range(size)]
            for pending in group:
                pending.outputs = {"prediction": [1.0]}
            recorder.submit(group)
            found.append(all(pending.done.done() for pending in group))
            await asyncio.gather(*(pending.done for pending in group))
        assert 0.0 == recorder.commit_s()
        await recorder.close()
        return found

    assert [True, False, False, True] == asyncio.run(run())


class HangingDisk:
    """A disk whose syncs wait until it is released; it is taken as hung after a moment."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.released = threading.Event()
        monkeypatch.setattr(recorder_module, "_HUNG_S", 0.2)
        monkeypatch.setattr(writer_module.os, "fdatasync", lambda _: self.released.wait())
        writer = OutboxWriter.open(folder, segment_bytes=1 << 16, capacity_bytes=1 << 20)
        self.recorder = RequestRecorder(writer, max_record_bytes=10_000, capacity_bytes=1 << 20)

    async def hang(self, pending: Any) -> None:
        """Start, hand a request over, and return when the recorder refuses more of them."""
        self.recorder.start()
        self.recorder.submit([pending])
        while True:
            await asyncio.sleep(0.01)
            try:
                self.recorder.refuse_if_hung()
            except Unavailable as error:
                refusal = str(error)
                break
        assert "writing to the outbox has taken" in refusal


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HangingDisk]:
    """A disk that hangs, released at the end."""
    made = HangingDisk(tmp_path, monkeypatch)
    yield made
    made.released.set()


def test_while_the_disk_hangs_requests_are_refused(
    scene: Scene, disk: HangingDisk, tmp_path: Path
) -> None:
    """503 for readiness and requests, also at the limit of waiting ones; what waits is answered."""
    limits = ServingSettings(max_waiting=1)
    slot = Slot(
        "ward",
        limits=limits,
        deliver=disk.recorder.submit,
        meters=Meters("ward", CollectorRegistry()),
    )
    slot.swap(scene["model"]())
    slot.waiting.add("the one that waits")
    handler = Handler(slots=Slots([slot]), recorder=disk.recorder, access=None, limits=limits)
    app = create_app(Collaborators(handler=handler))
    row = {"age": 1, "bmi": 1.5, "class": "a", "smoker": True}

    async def run() -> list[tuple[int, str]]:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://serving"
        ) as client:
            pending = scene["pending"]()
            await disk.hang(pending)
            answers = [await client.get(page) for page in ("/readyz", "/v2/health/ready")]
            answers.append(await client.post("/v1/models/ward/predict", json={"rows": [row]}))
            disk.released.set()
            await pending.done
            slot.waiting.clear()
            answers.append(await client.get("/readyz"))
            answers.append(await client.post("/v1/models/ward/predict", json={"rows": [row]}))
        await disk.recorder.close()
        return [(answer.status_code, answer.json().get("detail", "")[:30]) for answer in answers]

    hangs = (503, "writing to the outbox has take")
    assert [hangs, hangs, hangs, (200, ""), (200, "")] == asyncio.run(run())
    assert [1, 2] == [record.sequence for record in stored(tmp_path)]


def test_a_disk_that_hangs_does_not_hold_up_the_farewell(scene: Scene, disk: HangingDisk) -> None:
    """Without its numbers nothing is reported as closed; that is logged, the shutdown goes on."""
    reported: list[object] = []

    class Api:
        def report_outbox(self, outbox_id: str, report: object) -> None:
            reported.append((outbox_id, report))

    async def run() -> float:
        await disk.hang(scene["pending"]())
        started = time.monotonic()
        api: Any = Api()
        heartbeat = Heartbeat(disk.recorder, Slots([]), api=api, every_s=1.0)
        await heartbeat.last(within_s=60.0)
        seconds = time.monotonic() - started
        disk.released.set()
        await disk.recorder.close()
        return seconds

    with capture_logs() as logs:
        seconds = asyncio.run(run())

    assert seconds < 10
    assert ([], "leaving without a farewell") == (reported, logs[-1]["event"])
