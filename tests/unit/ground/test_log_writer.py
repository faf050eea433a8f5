"""Logs never block who writes them: the log is a pipe that nobody reads, or a broken one."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlplatform.log_writer import MOST_BYTES, LogWriter

LINES = 40_000
PROCESS = """
import asyncio, logging, sys
from mlplatform import telemetry
from mlplatform.settings import TelemetrySettings
telemetry.configure(TelemetrySettings(), process="test")
log = telemetry.logger("test")
"""
FLOOD = (
    PROCESS
    + f"""
async def turn():
    for number in range({LINES}):
        log.warning("line", number=number, filler="x" * 100)
        logging.getLogger("uvicorn.error").warning("from a library")
asyncio.run(turn())
dropped = telemetry.counter("log_dropped_lines_total")._value.get()
print(int(dropped), flush=True)
sys.stdin.readline()
logging.getLogger().handlers[0].stream.drain(30)
log.warning("after")
"""
)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe: the end to read, the end to write.

    The second stays open: a writer's thread may still hold it, and its number must not be given to
    another file.
    """
    ends = os.pipe()
    yield ends
    os.close(ends[0])


def test_a_full_pipe_blocks_no_event_loop() -> None:
    """A process whose stderr nobody reads goes on; what was dropped is counted and said later."""
    with subprocess.Popen(
        [sys.executable, "-c", FLOOD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        dropped = int(process.stdout.readline())  # all is logged, and nothing was read
        said = process.communicate(b"\n", timeout=60)[1].decode()
    lines = [json.loads(line) for line in said.splitlines()]
    mine = [line["number"] for line in lines if line["event"] == "line"]
    told = sum(line["lines"] for line in lines if line["event"] == "log lines were dropped")
    foreign = sum(line["event"] == "from a library" for line in lines)

    assert dropped > 0
    assert dropped == told
    assert 2 * LINES == len(mine) + foreign + told
    assert sorted(mine) == mine
    assert 1 == sum(line["event"] == "after" for line in lines)
    assert 0 == process.returncode


def test_a_process_ends_though_nobody_reads_its_last_words() -> None:
    """A pipe that stays full keeps no process from its end."""
    program = PROCESS + "log.warning('x' * 1_000_000)"
    read, write = os.pipe()
    try:
        with subprocess.Popen([sys.executable, "-c", program], stderr=write) as process:
            code = process.wait(60)
    finally:
        os.close(read)
        os.close(write)

    assert 0 == code


def test_last_words_come_out_in_order() -> None:
    """All lines of a process that breaks are written, whole, and its traceback after them."""
    program = PROCESS + "for n in range(500): log.warning('line', n=n)\nraise ValueError('the end')"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    numbers = [int(found) for found in re.findall(r'"n": (\d+)', done.stderr)]

    assert list(range(500)) == numbers
    assert done.stderr.rstrip().endswith("ValueError: the end")
    assert done.stderr.index("Traceback") > done.stderr.index('"n": 499')


def test_a_log_that_refuses_is_counted(tmp_path: Path) -> None:
    """Lines for a reader that is gone are counted; once it writes again, their number is told."""
    told: list[int] = []
    drops: list[int] = []
    done = threading.Event()

    def recovered(lines: int) -> None:
        told.append(lines)
        done.set()

    descriptor = os.open("/dev/full", os.O_WRONLY)
    writer = LogWriter(descriptor, on_drop=lambda: drops.append(1), on_recovery=recovered)
    for number in range(3):
        writer.write(f"{number}\n")
        writer.drain(10.0)
    with (tmp_path / "log").open("wb") as file:
        os.dup2(file.fileno(), descriptor)
    writer.write("three\n")
    writer.drain(10.0)

    assert done.wait(10)
    assert [3] == told
    assert 3 == len(drops)
    assert "three\n" == (tmp_path / "log").read_text()


def test_the_memory_is_bounded(pipe: tuple[int, int]) -> None:
    """No more than the bound waits, however much is logged."""
    drops: list[int] = []
    writer = LogWriter(pipe[1], on_drop=lambda: drops.append(1), on_recovery=lambda _: None)
    for _ in range(10):
        writer.write("x" * (MOST_BYTES // 4))

    assert 6 == len(drops)


def test_a_child_after_a_fork_writes_too(pipe: tuple[int, int]) -> None:
    """A fork has no thread of its parent; its lines come out all the same."""
    writer = LogWriter(pipe[1], on_drop=lambda: None, on_recovery=lambda _: None)
    writer.write("parent\n")
    writer.drain(10.0)
    child = os.fork()
    if child == 0:
        writer.write("child\n")
        writer.drain(10.0)
        os._exit(0)
    os.waitpid(child, 0)

    assert b"parent\nchild\n" == os.read(pipe[0], 100)


def test_the_loop_turns_while_the_log_hangs(pipe: tuple[int, int]) -> None:
    """A loop that logs into a full pipe still answers others."""
    writer = LogWriter(pipe[1], on_drop=lambda: None, on_recovery=lambda _: None)
    turns = 0

    async def other() -> None:
        nonlocal turns
        for _ in range(100):
            turns += 1
            await asyncio.sleep(0)

    async def both() -> None:
        beside = asyncio.create_task(other())
        for _ in range(100):
            writer.write("x" * 100_000)
            await asyncio.sleep(0)
        await beside

    asyncio.run(both())

    assert 100 == turns
