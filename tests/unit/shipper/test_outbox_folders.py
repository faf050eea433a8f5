"""One shipper of several outboxes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from mlplatform.errors import Refused, Unavailable
from mlplatform.outbox import OutboxReader, OutboxWriter
from mlplatform.settings import Settings, ShipperSettings
from mlplatform.shipper.loop import ShipperLoop
from mlplatform.shipper.outbox_folders import OutboxFolders

SETTINGS = Settings(shipper=ShipperSettings(batch_records=2, drain_s=5.0))


class Queue:
    """Takes everything, but for the values in `refused`."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.refused: set[bytes] = set()

    def send(self, messages: Sequence[tuple[bytes, bytes]]) -> None:
        """As Producer.send."""
        if any(value in self.refused for _, value in messages):
            raise Unavailable("away")
        self.taken += [value for _, value in messages]

    def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Callable[..., OutboxWriter]]:
    """Records into the outbox in a folder; "" is the root."""
    opened: list[OutboxWriter] = []

    def written(folder: str, *records: bytes) -> OutboxWriter:
        writer = OutboxWriter.open(tmp_path / folder, segment_bytes=1 << 16, capacity_bytes=1 << 20)
        opened.append(writer)
        writer.append(list(records))
        return writer

    yield written
    for writer in opened:
        writer.close()


@pytest.fixture
def outboxes(tmp_path: Path) -> Iterator[OutboxFolders]:
    found = OutboxFolders(tmp_path, SETTINGS)
    yield found
    found.close()


def drained(outboxes: OutboxFolders, queue: Queue) -> None:
    """Run a loop that is to stop."""
    stop = threading.Event()
    stop.set()
    ShipperLoop(outboxes.found, lambda: queue, SETTINGS.shipper, stop=stop).run()


def test_all_outboxes_are_emptied(
    write: Callable[..., OutboxWriter], outboxes: OutboxFolders
) -> None:
    """Those of workers, and the root's of a single process before them, each in its order."""
    writers = [
        write("", b"r1"),
        write("worker-1", b"a1", b"a2", b"a3", b"a4", b"a5"),
        write("worker-7", b"b1", b"b2", b"b3"),
    ]
    queue = Queue()
    drained(outboxes, queue)

    assert {b"r1", b"a1", b"a2", b"a3", b"a4", b"a5", b"b1", b"b2", b"b3"} == set(queue.taken)
    assert 9 == len(queue.taken)
    assert [b"a1", b"a2", b"a3", b"a4", b"a5"] == [each for each in queue.taken if each[:1] == b"a"]
    assert [1, 5, 3] == [writer.status().acknowledged for writer in writers]


def test_an_outbox_that_comes_later_is_found(
    write: Callable[..., OutboxWriter], outboxes: OutboxFolders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker may be slower than the shipper."""
    monkeypatch.setattr("mlplatform.shipper.outbox_folders._SEARCH_EVERY_S", 0.0)
    with pytest.raises(Unavailable, match="there is no outbox"):
        outboxes.found()
    write("worker-2", b"b")
    first = len(outboxes.found())
    write("worker-1", b"a")

    assert (1, 2) == (first, len(outboxes.found()))


def test_one_that_fails_holds_up_no_other(
    write: Callable[..., OutboxWriter], outboxes: OutboxFolders
) -> None:
    """Its records are tried again, and the log says so once."""
    write("worker-1", b"a1", b"a2", b"a3")
    other = write("worker-2", b"b1", b"b2", b"b3", b"b4", b"b5", b"b6")
    queue = Queue()
    queue.refused = {b"a1"}
    loop = ShipperLoop(outboxes.found, lambda: queue, SETTINGS.shipper, stop=threading.Event())
    with capture_logs() as logs:
        shipped = [loop.step() for _ in range(3)]
    with pytest.raises(Unavailable):
        loop.step()
    queue.refused = set()

    assert [2, 2, 2] == shipped
    assert 6 == other.status().acknowledged
    assert 1 == len(logs)
    assert [2, 1, 0] == [loop.step() for _ in range(3)]


def test_a_second_shipper_of_one_is_refused(
    write: Callable[..., OutboxWriter], outboxes: OutboxFolders, tmp_path: Path
) -> None:
    """One of two outboxes that is shipped already is enough: everything would be sent twice."""
    write("worker-1", b"a")
    write("worker-2", b"b")
    reader = OutboxReader.open(tmp_path / "worker-2")
    with pytest.raises(Refused, match="already has a reader"):
        outboxes.found()
    reader.close()
