"""From answered jobs to durable records."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlplatform.contracts.request import decode
from mlplatform.errors import OutboxFull, PlatformError, TooLarge
from mlplatform.outbox import OutboxReader, OutboxWriter
from mlplatform.serving.journal import Journal

Scene = Mapping[str, Callable[..., Any]]
NAMES = ("age", "bmi", "class", "smoker")


def stored(folder: Path) -> list[Any]:
    reader = OutboxReader.open(folder)
    try:
        return [decode(record.payload) for record in reader.read(100_000, 1 << 30)]
    finally:
        reader.close()


def outcomes(folder: Path, make: Callable[[], list[Any]], *, most: int = 100_000, capacity: int = 1 << 22) -> list[Any]:
    """Hand the jobs over one by one; None or the error of each."""

    async def run() -> list[Any]:
        writer = OutboxWriter.open(folder, segment_bytes=1 << 16, capacity_bytes=capacity)
        journal = Journal(writer, max_record_bytes=most, capacity_bytes=capacity)
        journal.start()
        jobs = make()
        for job in jobs:
            job.outputs = job.outputs or {"prediction": [1.0] * job.question.rows}
            journal.submit([job], NAMES)
        found = await asyncio.gather(*(job.done for job in jobs), return_exceptions=True)
        await journal.close()
        return found

    return asyncio.run(run())


def test_records_are_numbered_without_gaps_in_the_order_of_arrival(scene: Scene, tmp_path: Path) -> None:
    """1, 2, 3 … and on after a restart, under one outbox id."""
    for _ in range(2):
        assert [None] * 50 == outcomes(tmp_path, lambda: [scene["job"](float(number)) for number in range(50)])

    records = stored(tmp_path)
    assert list(range(1, 101)) == [record.sequence for record in records]
    assert [[float(number)] for number in range(50)] * 2 == [record.inputs["bmi"] for record in records]
    assert 1 == len({record.outbox_id for record in records})


def test_one_record_that_is_too_large_leaves_no_gap(scene: Scene, tmp_path: Path) -> None:
    """It is refused alone, and the numbers go on."""
    found = outcomes(tmp_path, lambda: [scene["job"](rows=rows) for rows in (1, 1, 500, 1)], most=2000)

    assert [False, False, True, False] == [isinstance(error, TooLarge) for error in found]
    assert [1, 2, 3] == [record.sequence for record in stored(tmp_path)]


def test_one_record_that_cannot_be_written_harms_no_other(scene: Scene, tmp_path: Path) -> None:
    """Outputs that are no JSON are that request's failure only."""

    def make() -> list[Any]:
        jobs = [scene["job"]() for _ in range(3)]
        jobs[1].outputs = {"prediction": [object()]}
        return jobs

    found = outcomes(tmp_path, make)
    assert [None, True, None] == [error if error is None else isinstance(error, PlatformError) for error in found]
    assert [1, 2] == [record.sequence for record in stored(tmp_path)]


def test_a_full_outbox_refuses_and_what_it_accepted_is_there(scene: Scene, tmp_path: Path) -> None:
    """Every job has an outcome: stored, or OutboxFull."""
    found = outcomes(tmp_path, lambda: [scene["job"](rows=200) for _ in range(300)], capacity=1 << 17)

    refused = [error for error in found if error is not None]
    assert all(isinstance(error, OutboxFull) for error in refused)
    assert 300 == len(refused) + len(stored(tmp_path))
    assert refused


def test_closing_stores_what_was_handed_over(scene: Scene, tmp_path: Path) -> None:
    """A job that was submitted before `close` is durable after it."""

    async def run() -> None:
        journal = Journal(
            OutboxWriter.open(tmp_path, segment_bytes=1 << 16, capacity_bytes=1 << 20), max_record_bytes=10_000, capacity_bytes=1 << 20
        )
        journal.start()
        job = scene["job"]()
        journal.submit([job], NAMES)
        await journal.close()
        await job.done

    asyncio.run(run())
    assert 1 == len(stored(tmp_path))
