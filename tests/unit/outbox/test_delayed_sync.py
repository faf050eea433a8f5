"""An outbox that is synced every so often: what is at stake, what waits, what a failure costs."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from mlplatform.errors import OutboxFull, Unavailable
from mlplatform.outbox import OutboxReader, OutboxWriter
from mlplatform.outbox.record import HEADER_BYTES

NEVER_S = 3600.0
SEGMENT = 4096
Open = Callable[[float], OutboxWriter]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "outbox"


@pytest.fixture
def write(folder: Path) -> Iterator[Open]:
    ends: list[OutboxWriter] = []

    def make(every_s: float) -> OutboxWriter:
        ends.append(opened(folder, every_s))
        return ends[-1]

    yield make
    for end in ends:
        end.close()


def opened(folder: Path, every_s: float | None) -> OutboxWriter:
    writer = OutboxWriter.open(folder, segment_bytes=SEGMENT, capacity_bytes=8 * SEGMENT)
    if every_s is not None:
        writer.sync_every(every_s)
    return writer


def found(folder: Path) -> list[tuple[int, bytes]]:
    """What the shipper would send now."""
    reader = OutboxReader.open(folder)
    try:
        return [(record.sequence, record.payload) for record in reader.read(1000, 1 << 20)]
    finally:
        reader.close()


def numbered(first: int, last: int) -> list[tuple[int, bytes]]:
    return [(number, b"%d" % number) for number in range(first, last + 1)]


def append(writer: OutboxWriter, count: int = 1) -> None:
    first = writer.next_sequence
    writer.append([b"%d" % number for number in range(first, first + count)])


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def unsynced(what: str) -> float:
    return REGISTRY.get_sample_value(f"mlplatform_outbox_unsynced_{what}") or 0.0


def failing_once(number: int, call: Callable[..., object]) -> Callable[..., object]:
    first = iter([raiser(number)])

    def called(*words: object) -> object:
        return next(first, call)(*words)

    return called


def raiser(number: int) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def test_what_is_not_synced_is_counted_and_not_sent(write: Open, folder: Path) -> None:
    """Until the sync the shipper sees nothing, and the metrics say how much is at stake."""
    writer = write(NEVER_S)
    append(writer, 3)
    at_stake = (unsynced("records"), unsynced("bytes"), unsynced("age_seconds") > 0)
    sent = found(folder)
    writer.close()

    assert (3.0, 3.0 * (HEADER_BYTES + 1), True) == at_stake
    assert ([], numbered(1, 3)) == (sent, found(folder))
    assert (0.0, 0.0, 0.0) == (unsynced("records"), unsynced("bytes"), unsynced("age_seconds"))


def test_a_thread_syncs_within_the_interval(write: Open, folder: Path) -> None:
    """No further request is needed for the last one to become durable and be sent."""
    append(write(0.05), 2)
    until(lambda: numbered(1, 2) == found(folder))

    assert 0.0 == unsynced("records")


def test_an_answer_waits_when_the_disk_is_slower_than_the_interval(
    write: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a record is unsynced for longer than the interval, no other is taken."""
    released = threading.Event()
    monkeypatch.setattr(os, "fdatasync", lambda _: released.wait(10))
    writer = write(0.05)
    append(writer)
    until(lambda: unsynced("age_seconds") > 0.05)
    waiting = threading.Thread(target=append, args=[writer])
    waiting.start()
    waiting.join(0.2)
    waited = waiting.is_alive()
    released.set()
    waiting.join(10)

    assert (True, 3) == (waited, writer.next_sequence)


def test_many_bytes_are_synced_before_their_time(
    write: Open, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unsynced records lie in memory as well, so their bytes are bounded."""
    monkeypatch.setattr("mlplatform.outbox.delayed_sync._MOST_BYTES", 50)
    writer = write(NEVER_S)
    append(writer, 4)
    append(writer)

    assert numbered(1, 4) == found(folder)


def test_a_failed_sync_is_made_good_in_a_new_segment(
    write: Open, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages of the failed sync count as clean, so what was answered is written once more."""
    writer = write(0.05)
    monkeypatch.setattr(os, "fdatasync", failing_once(errno.EIO, os.fdatasync))
    with capture_logs() as logs:
        append(writer, 3)
        until(lambda: numbered(1, 3) == found(folder))
    append(writer)
    writer.close()
    (first,) = (path for path in folder.glob("*.segment"))

    assert ["error"] == [line["log_level"] for line in logs if "a sync of" in line["event"]]
    assert numbered(1, 4) == found(folder)
    assert first.read_bytes().startswith(b"MOB1")


@pytest.mark.parametrize(("number", "kind"), [(errno.EIO, Unavailable), (errno.ENOSPC, OutboxFull)])
def test_while_syncs_fail_every_request_is_refused(
    number: int, kind: type[Exception], write: Open, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error is not forgotten by the next attempt: only a sync of everything ends it."""
    writer = write(0.02)
    append(writer)
    until(lambda: numbered(1, 1) == found(folder))
    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", raiser(number))
        append(writer, 3)
        until(lambda: unsynced("age_seconds") > 0.05)
        for _ in range(3):
            with pytest.raises(kind):
                append(writer)
        lost = unsynced("records")
    append(writer)
    writer.close()

    assert 3.0 == lost
    assert numbered(1, 5) == found(folder)


def test_a_failed_write_takes_nothing_of_before_along(
    write: Open, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch is refused and leaves no number out; what waits for its sync is kept."""
    writer = write(NEVER_S)
    append(writer, 2)
    with monkeypatch.context() as broken:
        broken.setattr(os, "pwrite", failing_once(errno.EIO, os.pwrite))
        with pytest.raises(Unavailable):
            append(writer, 2)
    append(writer, 2)
    writer.close()

    assert numbered(1, 4) == found(folder)


def test_a_failed_write_with_nothing_before_it(
    write: Open, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next request begins a new segment, and does not wait for a sync of nothing."""
    writer = write(NEVER_S)
    with monkeypatch.context() as broken:
        broken.setattr(os, "pwrite", raiser(errno.EIO))
        with pytest.raises(Unavailable):
            append(writer)
    append(writer)
    writer.close()

    assert numbered(1, 1) == found(folder)


def test_segments_follow_one_another(write: Open, folder: Path) -> None:
    """A segment is synced before the next one begins: a loss of power leaves no hole behind it."""
    writer = write(NEVER_S)
    for _ in range(8):
        writer.append([bytes(1000)])
    firsts = sorted(int(path.stem) for path in folder.glob("*.segment"))
    sent = [number for number, _ in found(folder)]

    assert [1, 5] == firsts[:2]
    assert list(range(1, firsts[-1])) == sent


def test_a_loss_of_power_takes_what_was_not_synced(
    write: Open, folder: Path, tmp_path: Path
) -> None:
    """Synced records stay; the rest is cut off, and its numbers are given again."""
    writer = write(NEVER_S)
    append(writer, 5)
    writer._delayed.sync()  # type: ignore[union-attr]
    synced = 5 * (HEADER_BYTES + 1)
    append(writer, 3)
    after = tmp_path / "after"
    shutil.copytree(folder, after)
    (segment,) = after.glob("*.segment")
    data = segment.read_bytes()
    segment.write_bytes(data[:synced] + bytes(len(data) - synced))
    again = opened(after, NEVER_S)
    next_sequence = again.next_sequence
    again.close()

    assert (6, numbered(1, 5)) == (next_sequence, found(after))
    assert 3 == writer.next_sequence - next_sequence


def test_a_loss_of_power_that_spared_the_newest_pages(
    write: Open, folder: Path, tmp_path: Path
) -> None:
    """Pages reach the disk in any order: lost records in front of whole ones are named."""
    writer = write(NEVER_S)
    append(writer, 2)
    writer._delayed.sync()  # type: ignore[union-attr]
    append(writer, 3)
    after, frame = tmp_path / "after", HEADER_BYTES + 1
    shutil.copytree(folder, after)
    (segment,) = after.glob("*.segment")
    data = segment.read_bytes()
    segment.write_bytes(data[: 2 * frame] + bytes(frame) + data[3 * frame :])
    opened(after, None).close()
    sent = found(after)  # up to the damage
    reader = OutboxReader.open(after)
    reader.read(10, 1000)
    reader.acknowledge(2)
    sent += [(record.sequence, record.payload) for record in reader.read(10, 1000)]
    reader.close()
    again = opened(after, None)
    (damaged,) = again.status().damaged
    again.close()

    assert [*numbered(1, 2), *numbered(4, 5)] == sent
    assert (3, 3) == (damaged.first, damaged.last)


def test_a_new_identity_waits_for_what_came_before(write: Open, folder: Path) -> None:
    """It names the last number of the one before, which must not be lost afterwards."""
    writer = write(NEVER_S)
    append(writer, 2)
    writer.renew("for a test")

    assert numbered(1, 2) == found(folder)


def test_a_close_that_cannot_sync_says_which_records(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may be lost with the machine: that stands in the log."""
    writer = opened(folder, NEVER_S)
    append(writer, 4)
    with monkeypatch.context() as broken, capture_logs() as logs:
        broken.setattr(os, "fdatasync", raiser(errno.EIO))
        writer.close()
    (line,) = (line for line in logs if "may not be on the disk" in line["event"])

    assert (1, 4) == (line["first"], line["last"])
