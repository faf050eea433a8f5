"""The shipper's loop against a queue that misbehaves."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from mlplatform.errors import TooLarge, Unavailable
from mlplatform.outbox import OutboxReader, OutboxWriter
from mlplatform.outbox.position import DurableMark
from mlplatform.settings import QueueSettings, Settings, ShipperSettings
from mlplatform.shipper.loop import ShipperLoop
from mlplatform.shipper.sender import OutboxShipper


class Broker:
    """Accepts batches; fails so many times before, and refuses too large values as Kafka does."""

    def __init__(self, *, failures: int = 0, limit: int = 10**9) -> None:
        self.failures, self.limit = failures, limit
        self.batches: list[list[bytes]] = []

    def send(self, messages: Sequence[tuple[bytes, bytes]]) -> None:
        """As Producer.send."""
        if self.failures:
            self.failures -= 1
            raise Unavailable("away")
        if any(len(value) > self.limit for _, value in messages):
            raise TooLarge("too large for the broker")
        self.batches.append([value for _, value in messages])

    def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "outbox"


@pytest.fixture
def writer(folder: Path) -> Iterator[OutboxWriter]:
    writer = OutboxWriter.open(folder, segment_bytes=1 << 16, capacity_bytes=1 << 20)
    yield writer
    writer.close()


@pytest.fixture
def reader(folder: Path, writer: OutboxWriter) -> Iterator[OutboxReader]:
    reader = OutboxReader.open(folder)
    yield reader
    reader.close()


def shipper_loop(
    reader: OutboxReader, broker: Broker, folder: Path, stop: threading.Event, **shipper: float
) -> ShipperLoop:
    settings = Settings(
        queue=QueueSettings(max_record_bytes=1024),
        shipper=ShipperSettings(**({"batch_records": 3, "drain_s": 5.0} | shipper)),
    )
    return over(reader, lambda: broker, settings, folder, stop)


def over(
    reader: OutboxReader,
    connect: Callable[[], Broker],
    settings: Settings,
    folder: Path,
    stop: threading.Event,
) -> ShipperLoop:
    outboxes = [OutboxShipper(reader, folder, settings)]
    return ShipperLoop(lambda: outboxes, connect, settings.shipper, stop=stop)


def test_stopping_drains(reader: OutboxReader, writer: OutboxWriter, folder: Path) -> None:
    """A loop that is stopped before it began still ships all, in batches and in order."""
    writer.append([b"a", b"b", b"c", b"d"])
    broker, stop = Broker(), threading.Event()
    stop.set()
    shipper_loop(reader, broker, folder, stop).run()

    assert [[b"a", b"b", b"c"], [b"d"]] == broker.batches
    assert 4 == writer.status().acknowledged


def test_a_drain_does_not_idle(reader: OutboxReader, writer: OutboxWriter, folder: Path) -> None:
    """While the outbox holds records the next batch follows at once: the time to drain is short."""
    writer.append([b"a", b"b", b"c", b"d"])
    broker, stop = Broker(), threading.Event()
    stop.set()
    begun = time.monotonic()
    shipper_loop(reader, broker, folder, stop, batch_records=1, idle_s=5.0, drain_s=20.0).run()

    assert 4 == len(broker.batches)
    assert time.monotonic() - begun < 5.0  # not one pause


def test_records_that_answers_wait_for_are_found_at_once(
    reader: OutboxReader, writer: OutboxWriter, folder: Path
) -> None:
    """A loop that idles for a minute otherwise finds the next record within milliseconds."""
    broker, stop = Broker(), threading.Event()
    settings = Settings(shipper=ShipperSettings(idle_s=60.0))
    outboxes = [OutboxShipper(reader, folder, settings)]
    loop = ShipperLoop(lambda: outboxes, lambda: broker, settings.shipper, stop=stop, awaited=True)
    thread = threading.Thread(target=loop.run)
    thread.start()
    for number in range(3):
        time.sleep(0.1)  # it idles
        writer.append([b"%d" % number])
        begun = time.monotonic()
        while len(broker.batches) <= number:
            assert time.monotonic() - begun < 10.0
            time.sleep(0.001)
    stop.set()
    thread.join(10.0)

    assert [[b"0"], [b"1"], [b"2"]] == broker.batches


def test_failures_are_tried_again(reader: OutboxReader, writer: OutboxWriter, folder: Path) -> None:
    """A broker that is away gets the same records later; none is acknowledged before."""
    writer.append([b"a", b"b"])
    broker, stop = Broker(failures=3), threading.Event()
    loop = shipper_loop(reader, broker, folder, stop)
    with pytest.raises(Unavailable):
        loop.step()
    assert 0 == writer.status().acknowledged
    stop.set()
    loop.run()

    assert [[b"a", b"b"]] == broker.batches


def test_the_drain_has_an_end(reader: OutboxReader, writer: OutboxWriter, folder: Path) -> None:
    """A broker that stays away can't delay the end beyond drain_s; the records stay."""
    writer.append([b"a"])
    stop = threading.Event()
    stop.set()
    shipper_loop(reader, Broker(failures=10**9), folder, stop, drain_s=0.3).run()

    assert 0 == writer.status().acknowledged
    assert [b"a"] == [record.payload for record in reader.read(10, 1000)]


def test_a_queue_that_was_never_reached_is_drained_into(
    reader: OutboxReader, writer: OutboxWriter, folder: Path
) -> None:
    """A loop that has not reached the queue when it is stopped still tries for a whole drain."""
    writer.append([b"a"])
    broker, stop, failures = (
        Broker(),
        threading.Event(),
        [Unavailable("no broker"), Unavailable("no broker")],
    )

    def connect() -> Broker:
        if failures:
            raise failures.pop()
        return broker

    stop.set()
    over(reader, connect, Settings(shipper=ShipperSettings(drain_s=5.0)), folder, stop).run()

    assert [[b"a"]] == broker.batches


def test_leaving_with_something_in_the_outbox_is_told(
    reader: OutboxReader, writer: OutboxWriter, folder: Path
) -> None:
    """A queue that stays away ends in a warning with the numbers that stay behind."""

    def connect() -> Broker:
        raise Unavailable("no broker")

    writer.append([b"a", b"b"])
    stop = threading.Event()
    stop.set()
    with capture_logs() as logs:
        over(reader, connect, Settings(shipper=ShipperSettings(drain_s=0.2)), folder, stop).run()

    assert ("stopped before the outbox was empty", 2, 0) == tuple(
        logs[-1][name] for name in ("event", "accepted", "acknowledged")
    )


def test_an_empty_outbox_needs_no_queue(reader: OutboxReader, folder: Path) -> None:
    """With nothing to ship a stopped loop ends at once, whether or not there is a queue."""

    def connect() -> Broker:
        raise Unavailable("no broker")

    stop = threading.Event()
    stop.set()
    started = time.monotonic()
    over(reader, connect, Settings(shipper=ShipperSettings(drain_s=30.0)), folder, stop).run()

    assert time.monotonic() - started < 10


def test_an_outbox_that_cannot_be_looked_at_is_waited_for(
    reader: OutboxReader, writer: OutboxWriter, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the disk while the numbers are read makes the loop back off, not end."""
    writer.append([b"a"])
    broker, stop = Broker(), threading.Event()
    with monkeypatch.context() as broken:

        def fail(_: object) -> int:
            raise OSError(errno.EIO, "Input/output error")

        broken.setattr(DurableMark, "read", fail)
        loop = shipper_loop(reader, broker, folder, stop, drain_s=0.2)
        with pytest.raises(Unavailable, match="Input/output error"):
            reader.status()
        stop.set()
        loop.run()
    shipper_loop(reader, broker, folder, stop).run()

    assert [[b"a"]] == broker.batches


def test_a_broker_with_a_smaller_limit(
    reader: OutboxReader, writer: OutboxWriter, folder: Path
) -> None:
    """A record that only the broker finds too large is set aside; its neighbours are sent."""
    writer.append([b"a", b"b" * 900, b"c"])
    broker, stop = Broker(limit=500), threading.Event()
    stop.set()
    shipper_loop(reader, broker, folder, stop).run()
    sent = [value for batch in broker.batches for value in batch]

    assert (b"a", b"c", 3) == (sent[0], sent[2], len(sent))
    assert b'"kind":"oversize"' in sent[1]
    assert b"b" * 900 == (folder / "oversize" / "2.json").read_bytes()


def test_every_turn_is_told(
    reader: OutboxReader, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop reports that it turns, even while the queue is away."""
    turns: list[int] = []
    monkeypatch.setattr("mlplatform.loop.turned", lambda: turns.append(1))
    stop = threading.Event()
    stop.set()
    shipper_loop(reader, Broker(), folder, stop).run()

    assert [1] == turns
