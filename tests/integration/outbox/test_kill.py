"""Writer and reader as processes of their own, killed at any moment."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlplatform.outbox import OutboxReader, OutboxWriter

# So much that it never fills up: a full one would take nothing, and its writer say nothing.
SEGMENT, CAPACITY = 64 * 1024, 1 << 40
WRITER = """
import random, sys
from pathlib import Path
import structlog
from mlplatform.outbox import OutboxWriter

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
writer = OutboxWriter.open(Path(sys.argv[1]), segment_bytes=65536, capacity_bytes=1 << 40)
if sys.argv[2:]:
    writer.sync_every(float(sys.argv[2]))
while True:
    first = writer.next_sequence
    batch = [
        f"{first + index}:".encode() + bytes(random.randrange(4000))
        for index in range(random.randrange(1, 20))
    ]
    writer.append(batch)
    print(first + len(batch) - 1, flush=True)
"""
READER = """
import sys
from pathlib import Path
import structlog
from mlplatform.outbox import OutboxReader

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
reader = OutboxReader.open(Path(sys.argv[1]))
while True:
    for record in reader.read(50, 1 << 20):
        print(record.sequence, int(record.payload.split(b":")[0]), flush=True)
        last = record.sequence
        if last % 3 == 0:
            reader.acknowledge(last)
            print("ack", last, flush=True)
            break
"""


def start(program: str, folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, str(folder), *words], stdout=subprocess.PIPE, text=True
    )


def kill(process: subprocess.Popen[str], after_s: float) -> list[str]:
    """Kill -9 after a while of output, and return its whole lines."""
    assert process.stdout
    lines = [process.stdout.readline()]
    time.sleep(after_s)
    process.kill()
    lines += process.stdout.read().splitlines(keepends=True)
    process.stdout.close()
    process.wait()
    return [line.strip() for line in lines if line.endswith("\n")]


# Every append is synced, or what was appended within so many seconds.
@pytest.mark.parametrize("every", [(), ("0.01",), ("10",)])
@pytest.mark.parametrize("seed", range(3))
def test_what_was_durable_survives_the_writer(
    seed: int, every: tuple[str, ...], tmp_path: Path
) -> None:
    """What append returned for survives kill -9, in order, without a gap; writing goes on."""
    folder = tmp_path / "outbox"
    chance = random.Random(seed)
    durable = 0
    for _ in range(3):
        lines = kill(start(WRITER, folder, *every), chance.uniform(0.0, 0.15))
        durable = int(lines[-1])
    writer = OutboxWriter.open(folder, segment_bytes=SEGMENT, capacity_bytes=CAPACITY)
    reader = OutboxReader.open(folder)
    found = []
    while batch := reader.read(1000, 1 << 20):
        found += [(record.sequence, int(record.payload.split(b":")[0])) for record in batch]
        reader.acknowledge(batch[-1].sequence)
    next_sequence = writer.next_sequence
    reader.close()
    writer.close()

    assert [(number, number) for number in range(1, next_sequence)] == found
    assert durable < next_sequence


def test_both_ends_killed_at_random(tmp_path: Path) -> None:
    """With both ends killed again and again every record is read, and acknowledged once."""
    folder = tmp_path / "outbox"
    OutboxWriter.open(folder, segment_bytes=SEGMENT, capacity_bytes=CAPACITY).close()
    chance = random.Random(7)
    read: list[str] = []
    for _ in range(6):
        writer, reader = start(WRITER, folder), start(READER, folder)
        time.sleep(0.2)
        if chance.random() < 0.5:
            written, more = kill(writer, chance.uniform(0, 0.1)), kill(reader, 0.05)
        else:
            more, written = kill(reader, chance.uniform(0, 0.1)), kill(writer, 0.05)
        read += more
        durable = int(written[-1])
    last = OutboxReader.open(folder)
    while batch := last.read(1000, 1 << 20):
        read += [f"{record.sequence} {record.sequence}" for record in batch]
        last.acknowledge(batch[-1].sequence)
    last.close()
    expected, acknowledged = 1, 0
    for line in read:
        first, second = line.split()
        if first == "ack":
            acknowledged = max(acknowledged, int(second))
            continue
        assert first == second
        assert acknowledged < int(first) <= expected
        expected = max(expected, int(first) + 1)

    assert expected > durable
