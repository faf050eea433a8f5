"""The outbox as writer and reader see it, in one process."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from mlplatform.errors import (
    IntegrityFailure,
    InvalidInput,
    OutboxFull,
    Refused,
    TooLarge,
    Unavailable,
)
from mlplatform.outbox import OutboxReader, OutboxWriter, segment_file
from mlplatform.outbox.record import HEADER_BYTES, DamagedRecords

SMALL = 4096
Open = Callable[[], OutboxWriter]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "some" / "outbox"


@pytest.fixture
def opened() -> Iterator[list[OutboxWriter | OutboxReader]]:
    ends: list[OutboxWriter | OutboxReader] = []
    yield ends
    for end in ends:
        end.close()


@pytest.fixture
def write(folder: Path, opened: list[OutboxWriter | OutboxReader]) -> Open:
    def make() -> OutboxWriter:
        opened.append(OutboxWriter.open(folder, segment_bytes=SMALL, capacity_bytes=4 * SMALL))
        return opened[-1]  # type: ignore[return-value]

    return make


@pytest.fixture
def read(folder: Path, opened: list[OutboxWriter | OutboxReader]) -> Callable[[], OutboxReader]:
    def make() -> OutboxReader:
        opened.append(OutboxReader.open(folder))
        return opened[-1]  # type: ignore[return-value]

    return make


def fill(writer: OutboxWriter) -> None:
    for _ in range(100):
        writer.append([b"x" * 1000])


def drain(reader: OutboxReader) -> list[bytes]:
    found: list[bytes] = []
    while batch := reader.read(7, 1 << 20):
        found += [record.payload for record in batch]
        reader.acknowledge(batch[-1].sequence)
    return found


def test_records_come_out_in_order(write: Open, read: Callable[[], OutboxReader]) -> None:
    """Numbers are 1, 2, 3 … over batches, and the payloads are those that went in."""
    writer = write()
    writer.append([b"a", b"b"])
    writer.append([b"c"])
    found = read().read(10, 1000)

    assert [
        (1, b"a"),
        (2, b"b"),
        (3, b"c"),
    ] == [(record.sequence, record.payload) for record in found]
    assert 4 == writer.next_sequence


def test_records_come_again_until_acknowledged(
    write: Open, read: Callable[[], OutboxReader]
) -> None:
    """After a failure the same records are read; after an acknowledgement the next ones."""
    write().append([b"a", b"b", b"c"])
    reader = read()
    first = reader.read(2, 1000)
    again = reader.read(2, 1000)
    reader.acknowledge(1)
    reader.close()

    assert first == again
    assert [b"b", b"c"] == [record.payload for record in read().read(10, 1000)]


def test_bounds_of_a_read(write: Open, read: Callable[[], OutboxReader]) -> None:
    """A read keeps to records and bytes, but a record above the bytes is returned alone."""
    write().append([b"x" * 100, b"y" * 100, b"z" * 100])
    reader = read()

    assert [
        2,
        1,
        1,
    ] == [len(reader.read(2, 1000)), len(reader.read(10, 199)), len(reader.read(10, 1))]


def test_an_acknowledgement_needs_a_read(write: Open, read: Callable[[], OutboxReader]) -> None:
    """What was not read can't be forgotten; what was forgotten may be acknowledged again."""
    write().append([b"a", b"b"])
    reader = read()
    reader.read(1, 1000)

    with pytest.raises(InvalidInput, match="record 2 was not read"):
        reader.acknowledge(2)
    reader.acknowledge(1)
    reader.acknowledge(1)
    assert 1 == reader.status().acknowledged


def test_one_writer_and_one_reader(
    write: Open, read: Callable[[], OutboxReader], folder: Path
) -> None:
    """A second process at the same end is refused by name; the lock is free again after close."""
    first = write()
    read()
    with pytest.raises(Refused, match="already has a writer"):
        write()
    with pytest.raises(Refused, match="already has a reader"):
        OutboxReader.open(folder)
    first.close()

    assert 1 == write().next_sequence


def test_a_reader_waits_for_the_outbox(folder: Path) -> None:
    """Before serving has made the outbox the reader is refused, and may try again."""
    with pytest.raises(Unavailable, match="serving makes it"):
        OutboxReader.open(folder)


def test_the_identity_stays(write: Open, read: Callable[[], OutboxReader]) -> None:
    """An outbox keeps its UUID and its count when emptied, closed and opened again."""
    writer = write()
    identity = writer.outbox_id
    writer.append([b"a"])
    writer.close()
    reader = read()
    drain(reader)
    writer = write()
    writer.append([b"b"])

    assert (identity, identity, 3) == (writer.outbox_id, reader.outbox_id, writer.next_sequence)
    assert [b"b"] == drain(reader)


def test_acknowledged_segments_are_reused(
    write: Open, read: Callable[[], OutboxReader], folder: Path
) -> None:
    """An outbox that is emptied in step never grows: one segment in use, and a spare."""
    writer, reader = write(), read()
    for number in range(100):
        writer.append([bytes([number]) * 1000])
        assert [bytes([number]) * 1000] == drain(reader)

    assert (
        sum(
            path.stat().st_size
            for path in folder.iterdir()
            if path.suffix == ".segment" or path.name == "spare"
        )
        <= 2 * SMALL
    )
    assert writer.status().bytes == reader.status().bytes == 0


def test_a_full_outbox_refuses_and_recovers(write: Open, read: Callable[[], OutboxReader]) -> None:
    """At capacity nothing is stored and no number is used, until the shipper has caught up."""
    writer = write()
    with pytest.raises(OutboxFull) as caught:
        fill(writer)
    at = writer.next_sequence
    reader = read()
    found = drain(reader)
    writer.append([b"new"])

    assert caught.value.retry_after_s > 0
    assert (at - 1, at + 1) == (len(found), writer.next_sequence)
    assert [b"new"] == drain(reader)


def test_a_batch_that_can_never_fit(write: Open) -> None:
    """A batch above half of the outbox is no matter of waiting."""
    with pytest.raises(TooLarge):
        write().append([b"x" * (2 * SMALL)])


def test_a_batch_larger_than_a_segment(write: Open, read: Callable[[], OutboxReader]) -> None:
    """A batch above the segment size gets a segment of its size."""
    write().append([b"x" * (SMALL + 100)])

    assert drain(read()) == [b"x" * (SMALL + 100)]


def test_a_torn_tail_is_cut(write: Open, read: Callable[[], OutboxReader], folder: Path) -> None:
    """Half a record at the end is cut off, its number is used again, and nothing returns."""
    writer = write()
    writer.append([b"whole"])
    writer.append([b"torn" * 10])
    writer.close()
    segment = next(folder.glob("*.segment"))
    with segment.open("r+b") as file:
        file.seek(2 * HEADER_BYTES + len(b"whole") + 20)
        file.write(bytes(30))
    (folder / "durable").unlink()  # as after a power failure: the mark was never synced
    writer = write()
    writer.append([b"next"])

    assert [b"whole", b"next"] == drain(read())


def test_what_was_written_before_a_crash_is_kept(
    write: Open, read: Callable[[], OutboxReader], folder: Path
) -> None:
    """A record that was whole when the writer was killed counts, though unpublished."""
    writer = write()
    writer.append([b"a", b"b"])
    writer.close()
    (folder / "durable").unlink()
    assert 3 == write().next_sequence
    assert [b"a", b"b"] == drain(read())


def test_a_reader_without_a_writer(write: Open, read: Callable[[], OutboxReader]) -> None:
    """The shipper empties the outbox of a serving that is gone."""
    writer = write()
    writer.append([b"x" * 1000] * 3)
    writer.append([b"y" * 1000] * 3)
    writer.close()

    assert 6 == len(drain(read()))


def test_damage_is_named_and_what_follows_is_read(
    write: Open, read: Callable[[], OutboxReader], folder: Path
) -> None:
    """A flipped bit costs one record: it is named with its place, those behind it come out."""
    writer = write()
    writer.append([b"one", b"two", b"three"])
    writer.close()
    segment = next(folder.glob("*.segment"))
    data = bytearray(segment.read_bytes())
    at = HEADER_BYTES + 3
    data[at + HEADER_BYTES] ^= 1
    segment.write_bytes(bytes(data))
    with capture_logs() as logs:
        found = drain(read())
    writer = write()
    status = writer.status()
    (aside,) = (folder / "damaged").iterdir()

    assert [b"one", b"three"] == found
    assert (DamagedRecords(writer.outbox_id, 2, 2, segment.name, at),) == status.damaged
    assert (4, 3, 3) == (writer.next_sequence, status.accepted, status.acknowledged)
    assert bytes(data[at : at + HEADER_BYTES + 3]) == aside.read_bytes()
    assert [(2, 2, str(segment), at, str(aside))] == [
        tuple(line[name] for name in ("first", "last", "file", "offset", "kept"))
        for line in logs
        if line["log_level"] == "error"
    ]


def test_lost_records_that_were_sent_are_no_damage(
    write: Open, read: Callable[[], OutboxReader], folder: Path
) -> None:
    """If the disk lost only acknowledged records, the outbox goes on and repeats no number."""
    writer, reader = write(), read()
    writer.append([b"a", b"b"])
    drain(reader)
    writer.close()
    for segment in folder.glob("*.segment"):
        segment.unlink()
    writer = write()
    writer.append([b"c"])

    assert 4 == writer.next_sequence
    assert [b"c"] == drain(reader)


def failing(monkeypatch: pytest.MonkeyPatch, call: str, number: int) -> None:
    """Make a system call of the writer fail."""
    monkeypatch.setattr(segment_file.os, call, raiser(number))


def raiser(number: int) -> Callable[..., None]:
    """A call that fails as the disk would make it."""

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(
    "failure",
    [
        ("fdatasync", errno.EIO, Unavailable),
        ("fdatasync", errno.ENOSPC, OutboxFull),
        ("pwrite", errno.EIO, Unavailable),
        ("pwrite", errno.ENOSPC, OutboxFull),
    ],
)
def test_a_failing_disk_leaves_nothing_behind(
    failure: tuple[str, int, type[Exception]],
    write: Open,
    read: Callable[[], OutboxReader],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A failed append is invisible, and the outbox works again when the disk does."""
    call, number, kind = failure
    writer, reader = write(), read()
    writer.append([b"before"])
    with monkeypatch.context() as broken:
        failing(broken, call, number)
        with pytest.raises(kind) as caught:
            writer.append([b"lost 1", b"lost 2"])
        assert [b"before"] == [record.payload for record in reader.read(10, 1000)]
    writer.append([b"after"])

    assert type(caught.value) is kind
    assert [b"before", b"after"] == drain(reader)
    writer.append([b"later"])
    assert [b"later"] == drain(reader)


def test_a_failed_batch_stays_away_after_a_restart(
    write: Open, read: Callable[[], OutboxReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames of a batch that failed to sync are not read when the outbox is opened again."""
    writer = write()
    writer.append([b"before"])
    with monkeypatch.context() as broken:
        failing(broken, "fdatasync", errno.EIO)
        with pytest.raises(Unavailable):
            writer.append([b"lost"])
    writer.close()
    writer = write()

    assert 2 == writer.next_sequence
    assert [b"before"] == drain(read())


@pytest.mark.parametrize("call", ["posix_fallocate", "fsync"])
def test_no_room_for_a_segment(
    call: str, write: Open, read: Callable[[], OutboxReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk without room for a segment is a full outbox; smaller batches may still fit."""
    writer = write()
    writer.append([b"x" * 3000])
    with monkeypatch.context() as full:
        failing(full, call, errno.ENOSPC)
        with pytest.raises(OutboxFull, match="no room on the disk"):
            writer.append([b"y" * 3000])
        writer.append([b"small"])
    writer.append([b"z" * 3000])

    assert [b"x" * 3000, b"small", b"z" * 3000] == drain(read())


@pytest.mark.parametrize("reopened", [False, True])
def test_a_segment_whose_name_may_not_be_durable_takes_nothing_and_ends_the_one_before(
    reopened: bool, write: Open, read: Callable[[], OutboxReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a new segment's name can't be synced, later batches are still found by the reader."""
    writer = write()
    writer.append([b"x" * 3000])
    with monkeypatch.context() as broken:
        broken.setattr(segment_file, "sync", raiser(errno.EIO))
        with pytest.raises(Unavailable):
            writer.append([b"y" * 3000])
    writer.append([b"small"])
    if reopened:
        writer.close()
        writer = write()
    writer.append([b"z" * 3000])

    assert [b"x" * 3000, b"small", b"z" * 3000] == drain(read())


def test_an_unreadable_identity_is_loud(write: Open, folder: Path) -> None:
    """A damaged identity is never replaced: its numbers would start again."""
    write().close()
    (folder / "identity").write_text("{}")

    with pytest.raises(IntegrityFailure, match="identity"):
        write()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.one_of(
            st.lists(st.binary(max_size=900), max_size=4),
            st.sampled_from(["read", "reopen writer", "reopen reader"]),
        ),
        max_size=40,
    )
)
def test_nothing_is_lost_or_doubled(
    steps: list[list[bytes] | str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever the order of appends, reads and restarts, what comes out is what went in."""
    folder = tmp_path_factory.mktemp("outbox")
    writer = OutboxWriter.open(folder, segment_bytes=1000, capacity_bytes=100_000)
    reader = OutboxReader.open(folder)
    went_in: list[bytes] = []
    came_out: list[bytes] = []
    for step in steps:
        if isinstance(step, list):
            writer.append(step)
            went_in += step
        elif step == "read":
            batch = reader.read(3, 1500)
            came_out += [record.payload for record in batch]
            if batch:
                reader.acknowledge(batch[-1].sequence)
        elif step == "reopen writer":
            writer.close()
            writer = OutboxWriter.open(folder, segment_bytes=1000, capacity_bytes=100_000)
        else:
            reader.close()
            reader = OutboxReader.open(folder)
    came_out += drain(reader)
    status = writer.status()
    writer.close()
    reader.close()

    assert went_in == came_out
    assert (len(went_in), len(went_in), 0) == (status.accepted, status.acknowledged, status.bytes)
