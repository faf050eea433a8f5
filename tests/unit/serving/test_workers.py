"""When a worker is started again, and when its parent gives up."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlplatform.serving.board import Board
from mlplatform.serving.worker import ServingWorker
from mlplatform.serving.workers import Deaths, Workers
from mlplatform.settings import OutboxSettings, ServingSettings, Settings, TelemetrySettings

STAYS = "import time\ntime.sleep(60)"
LEAVES = "import signal, sys, time\nsignal.signal(15, lambda *_: sys.exit(0))\ntime.sleep(60)"
DEADLINE_S = 30.0


class Started:
    """Starts small programs in place of workers: `programs[n]` in turn, the last one for ever."""

    def __init__(self, **programs: list[str]) -> None:
        self.processes: list[tuple[int, subprocess.Popen[bytes]]] = []
        self._programs = programs

    def __call__(self, number: int) -> subprocess.Popen[bytes]:
        """Start worker `number`."""
        programs = self._programs[f"worker{number}"]
        program = programs.pop(0) if len(programs) > 1 else programs[0]
        process = subprocess.Popen([sys.executable, "-c", program])
        self.processes.append((number, process))
        return process

    def numbers(self) -> list[int]:
        """Which workers were started, in order."""
        return [number for number, _ in self.processes]


@pytest.fixture
def running() -> Iterator[Callable[..., Started]]:
    """Makes a Started whose processes end with the test."""
    made: list[Started] = []

    def start(**programs: list[str]) -> Started:
        made.append(Started(**programs))
        return made[-1]

    yield start
    for _, process in (each for started in made for each in started.processes):
        process.kill()
        process.wait()


def leave_when(workers: Workers, holds: Callable[[], bool]) -> threading.Thread:
    """Have all end as soon as something holds."""

    def wait() -> None:
        end = time.monotonic() + DEADLINE_S
        while not holds() and time.monotonic() < end:
            time.sleep(0.02)
        workers.leave()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([0, 10, 60], [False, False, True]),
        ([0, 10, 61], [False, False, False]),
        ([0, 50, 100, 105], [False, False, False, True]),
    ],
)
def test_three_deaths_within_a_minute_are_too_many(
    times: list[float], expected: list[bool]
) -> None:
    """Older ones don't count: a worker may die once an hour for years."""
    clock = iter(map(float, times))
    deaths = Deaths(lambda: next(clock))

    assert expected == [deaths.too_many() for _ in times]


def test_a_dead_worker_is_started_again(running: Callable[..., Started]) -> None:
    """The other one is left alone; at the end both are asked to leave, and the code is theirs."""
    started = running(worker1=["import sys\nsys.exit(9)", LEAVES], worker2=[LEAVES])
    board = Board.make(2)
    workers = Workers(started, board, 2)
    thread = leave_when(workers, lambda: len(started.processes) == 3)
    left: list[int] = []
    time_before = time.monotonic()
    code = workers.run(lambda: left.append(1))
    thread.join()

    assert [1, 2, 1] == started.numbers()
    assert (True, False) == (board.succeeds(1), board.succeeds(2))
    assert [1] == left
    # A program that had not set its handler yet was ended by the signal.
    assert code in (0, 128 + 15)
    assert time.monotonic() - time_before < DEADLINE_S


def test_workers_that_keep_dying_end_the_pod(running: Callable[..., Started]) -> None:
    """After the third death the others are ended too, and the exit code is that of the dead."""
    started = running(worker1=["import sys\nsys.exit(7)"], worker2=[STAYS])
    code = Workers(started, Board.make(2), 2).run(lambda: None)

    assert [1, 2, 1, 1] == started.numbers()
    assert 7 == code
    assert -15 == started.processes[1][1].poll()


def test_a_worker_that_ends_in_order_unasked_counts_too(running: Callable[..., Started]) -> None:
    """Code 0 three times: the pod must not look as if it had been asked to end."""
    code = Workers(running(worker1=["pass"]), Board.make(1), 1).run(lambda: None)

    assert 1 == code


def test_the_board_names_who_is_missing() -> None:
    """Only who is ready counts; the state of one that ended is that of its successor's start."""
    board = Board.make(3)
    board.show(1, ready=True)
    board.show(2, ready=True)
    first = board.missing()
    board.show(3, ready=True)
    board.ended(2)

    assert ([3], [2]) == (first, board.missing())
    assert board.succeeds(2)
    board.show(2, ready=True)
    assert [] == board.missing()


def test_a_worker_has_folders_of_its_own(tmp_path: Path) -> None:
    """Outbox, cache and clones; the disk is divided; the page of metrics has a port of its own."""
    common = Settings(
        serving=ServingSettings(workers=4, cache=tmp_path / "cache"),
        outbox=OutboxSettings(folder=tmp_path / "outbox", capacity_bytes=1 << 20),
        telemetry=TelemetrySettings(metrics_port=9100),
    )
    own = ServingWorker(3).settings(common)

    assert tmp_path / "outbox" / "worker-3" == own.outbox.folder
    assert tmp_path / "cache" / "worker-3" == own.serving.cache
    assert None is own.source.cache
    assert (1 << 18, 9103) == (own.outbox.capacity_bytes, own.telemetry.metrics_port)
