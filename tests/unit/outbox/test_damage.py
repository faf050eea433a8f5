"""Every byte of a small outbox is damaged once, and every file of it is lost once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from mlplatform.errors import IntegrityFailure
from mlplatform.outbox import OutboxReader, OutboxWriter
from mlplatform.outbox import folder as files
from mlplatform.outbox import writer as writer_module
from mlplatform.outbox.record import HEADER_BYTES, OutboxRecord, frame_bytes, parse

SEGMENT, CAPACITY = 256, 8192
PAYLOADS = [bytes([64 + number]) * (20 + number) for number in range(1, 9)]
NEW = [b"new 1", b"new 2"]


class Outcome(NamedTuple):
    """What came out after a restart on a damaged folder."""

    shipped: list[tuple[int, bytes]]
    named: list[int]
    given: list[tuple[str, int]]  # identities and numbers of the new records


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight records in two segments; the first one is acknowledged."""
    folder = tmp_path_factory.mktemp("whole") / "outbox"
    writer = opened(folder)
    for payload in PAYLOADS:
        writer.append([payload])
    reader = OutboxReader.open(folder)
    reader.read(1, 1000)
    reader.acknowledge(1)
    reader.close()
    writer.close()
    return folder


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand restarts: what they read is in the page cache, synced or not."""
    for call in ("fsync", "fdatasync"):
        monkeypatch.setattr(writer_module.os, call, lambda _: None)


def opened(folder: Path) -> OutboxWriter:
    return OutboxWriter.open(folder, segment_bytes=SEGMENT, capacity_bytes=CAPACITY)


def restart(folder: Path) -> Outcome:
    """Serving and shipper start on the folder, and two requests come in."""
    shipped: list[tuple[int, bytes]] = []
    writer = opened(folder)
    first = writer.next_number
    writer.append(NEW)
    reader = OutboxReader.open(folder)
    while batch := reader.read(3, 1 << 20):
        shipped += [(record.sequence, record.payload) for record in batch]
        reader.acknowledge(batch[-1].sequence)
    status = writer.status()
    reader.close()
    writer.close()

    assert status.acknowledged == status.accepted == writer.next_number - 1
    named = [number for each in status.damaged for number in range(each.first, each.last + 1)]
    return Outcome(shipped, named, [(writer.outbox_id, first + index) for index in (0, 1)])


def readable(folder: Path) -> dict[int, bytes]:
    """The records that are whole at their places, by whoever knows the places."""
    found = {}
    for first, numbers in ((1, range(1, 6)), (6, range(6, 9))):
        data = memoryview(files.segment_path(folder, first).read_bytes())
        for number in numbers:
            record = parse(data, number)
            if isinstance(record, OutboxRecord):
                found[number] = record.payload
            data = data[frame_bytes(PAYLOADS[number - 1]) :]
    return found


def used(first: int, last: int) -> int:
    return sum(frame_bytes(payload) for payload in PAYLOADS[first - 1 : last])


def damaged(whole: Path, folder: Path, name: str, damage: tuple[str, int]) -> Path:
    """A copy of the outbox with one file damaged."""
    shutil.copytree(whole, folder)
    kind, at = damage
    path = folder / name
    data = bytearray(path.read_bytes())
    if kind == "cut":
        path.write_bytes(bytes(data[:at]))
    else:
        data[at] ^= 1 << int(kind)
        path.write_bytes(bytes(data))
    return folder


def damages(size: int) -> Iterator[tuple[str, int]]:
    """Each byte with one bit flipped, and each length that the file can be cut to."""
    for at in range(size):
        yield str(at % 8), at
        yield "cut", at


SEGMENTS = [(1, used(1, 5)), (6, used(6, 8))]


def test_the_two_segments_are_as_the_tests_say(whole: Path) -> None:
    """Records 1 to 5 lie in the first one, 6 to 8 in the second."""
    assert [1, 6] == files.segments(whole)
    assert dict(enumerate(PAYLOADS, 1)) == readable(whole)


@pytest.mark.parametrize("mark", ["whole", "lost", "flipped"])
@pytest.mark.parametrize(("first", "size"), SEGMENTS)
def test_one_damage_costs_the_records_it_hits(
    mark: str, first: int, size: int, whole: Path, tmp_path: Path
) -> None:
    """Every whole record is shipped once with its bytes, the others are named; numbers are new."""
    for damage in damages(size):
        folder = tmp_path / "-".join(map(str, damage))
        damaged(whole, folder, files.segment_path(whole, first).name, damage)
        identity = outbox_id(folder)
        if mark == "lost":
            (folder / "durable").unlink()
        elif mark == "flipped":
            flip(folder / "durable", damage[1] % 12)
        left = readable(folder)
        left.pop(1, None)  # acknowledged before
        outcome = restart(folder)
        shutil.rmtree(folder)

        given = [number for number, _ in outcome.shipped]
        assert sorted(given) == given, damage
        assert list(left.items()) == outcome.shipped[:-2], damage
        assert NEW == [payload for _, payload in outcome.shipped[-2:]], damage
        lost = sorted(set(range(2, 9)) - left.keys())
        if mark == "whole":
            assert lost == outcome.named, damage
            assert [(identity, 9), (identity, 10)] == outcome.given, damage
        else:
            # Which number was the last one is not known, so none is given under this identity.
            followed = [number for number in lost if number < max(left, default=0) or number < 6]
            assert followed == outcome.named, damage
            assert identity not in {name for name, _ in outcome.given}, damage


@pytest.mark.parametrize("name", ["durable", "acknowledged"])
def test_the_small_files_lose_no_record_and_no_number(
    name: str, whole: Path, tmp_path: Path
) -> None:
    """With a damaged mark or position every record is shipped, and no number given twice."""
    for damage in [*damages(12), *(("2", 4096 + at) for at in range(36))]:
        if damage[1] >= (whole / name).stat().st_size:
            continue
        folder = damaged(whole, tmp_path / "-".join(map(str, damage)), name, damage)
        identity = outbox_id(folder)
        outcome = restart(folder)
        shutil.rmtree(folder)

        old = [item for item in outcome.shipped if item[1] not in NEW]
        assert list(enumerate(PAYLOADS, 1))[-len(old) :] == old, damage
        assert len(old) >= 7, damage
        assert [] == outcome.named, damage
        assert not {(identity, number) for number in range(1, 9)} & set(outcome.given), damage


def test_a_damaged_identity_is_refused_by_name(whole: Path, tmp_path: Path) -> None:
    """Whatever is wrong with it, the writer names file and way out; without the file it goes on."""
    size = (whole / "identity").stat().st_size
    identity = outbox_id(whole)
    for damage in damages(size):
        folder = damaged(whole, tmp_path / "-".join(map(str, damage)), "identity", damage)
        refusal = refused(folder)
        if refusal is None:
            assert identity == outbox_id(folder), damage
        else:
            assert "identity is damaged" in refusal.message
            assert "move it away" in refusal.fix
        (folder / "identity").unlink()
        outcome = restart(folder)
        shutil.rmtree(folder)

        assert list(enumerate(PAYLOADS, 1))[1:] == outcome.shipped[:-2]
        assert ([1, 2], []) == ([number for _, number in outcome.given], outcome.named)
        assert identity not in {name for name, _ in outcome.given}


def test_the_reader_ships_without_an_identity(whole: Path, tmp_path: Path) -> None:
    """A damaged identity stops no record on its way: each carries its own."""
    folder = damaged(whole, tmp_path / "outbox", "identity", ("cut", 3))
    reader = OutboxReader.open(folder)
    found = [record.payload for record in reader.read(10, 1 << 20)]
    reader.close()

    assert PAYLOADS[1:] == found


def test_a_segment_that_is_gone_is_named(whole: Path, tmp_path: Path) -> None:
    """Its numbers are named as lost, one range each, and are not given again."""
    for first, lost in ((1, [2, 3, 4, 5]), (6, [6, 7, 8])):
        folder = tmp_path / str(first)
        shutil.copytree(whole, folder)
        files.segment_path(folder, first).unlink()
        outcome = restart(folder)

        assert lost == outcome.named
        assert [9, 10] == [number for _, number in outcome.given]
        assert [PAYLOADS[n - 1] for n in range(2, 9) if n not in lost] == [
            payload for _, payload in outcome.shipped[:-2]
        ]


def test_a_place_beyond_the_records_is_an_older_copy(whole: Path, tmp_path: Path) -> None:
    """If more was acknowledged than the folder ever held, its next number may have been given."""
    old, folder = tmp_path / "old", tmp_path / "outbox"
    shutil.copytree(whole, old)
    shutil.copytree(whole, folder)
    restart(folder)
    shutil.copy(folder / "acknowledged", old / "acknowledged")
    identity = outbox_id(old)
    outcome = restart(old)

    assert NEW == [payload for _, payload in outcome.shipped]
    assert ([1, 2], []) == ([number for _, number in outcome.given], outcome.named)
    assert identity not in {name for name, _ in outcome.given}


def test_a_place_of_another_copy_loses_nothing(whole: Path, tmp_path: Path) -> None:
    """A byte position that does not fit the segment is not trusted: its records are found."""
    other, folder = tmp_path / "other", tmp_path / "outbox"
    writer = opened(other)
    writer.append([b"of other lengths"] * 3)
    writer.close()
    reader = OutboxReader.open(other)
    reader.acknowledge(len(reader.read(3, 1 << 20)))
    reader.close()
    shutil.copytree(whole, folder)
    shutil.copy(other / "acknowledged", folder / "acknowledged")
    outcome = restart(folder)

    assert list(enumerate(PAYLOADS, 1))[3:] == outcome.shipped[:-2]
    assert [] == outcome.named


@pytest.mark.parametrize("stray", ["copy.segment", "00000000000000000001.segment.bak", "x.segment"])
def test_a_stray_file_is_left_alone(stray: str, whole: Path, tmp_path: Path) -> None:
    """A copy of a segment in the folder changes nothing for writer and reader."""
    folder = tmp_path / "outbox"
    shutil.copytree(whole, folder)
    shutil.copy(files.segment_path(folder, 1), folder / stray)
    outcome = restart(folder)

    assert list(enumerate(PAYLOADS, 1))[1:] == outcome.shipped[:-2]
    assert [9, 10] == [number for _, number in outcome.given]
    assert (folder / stray).exists()


@pytest.mark.parametrize("name", [2, 4, 7, 50, 10**20 - 1])
def test_a_copy_under_the_name_of_a_segment_costs_nothing(
    name: int, whole: Path, tmp_path: Path
) -> None:
    """Whatever number somebody gave it: every record is shipped once, and the numbers go on."""
    folder = tmp_path / "outbox"
    shutil.copytree(whole, folder)
    source = 1 if name in (2, 4) else 6
    shutil.copy(files.segment_path(folder, source), files.segment_path(folder, name))
    outcome = restart(folder)

    assert list(enumerate(PAYLOADS, 1))[1:] == outcome.shipped[:-2]
    assert ([9, 10], []) == ([number for _, number in outcome.given], outcome.named)


@pytest.mark.parametrize("garbage", [b"", b"[", b"null", b"[1]", b'[{"first": "x"}]', b"\xff" * 50])
def test_a_list_of_damages_that_cannot_be_read_stops_nothing(
    garbage: bytes, whole: Path, tmp_path: Path
) -> None:
    """The list is made anew when there is something to name."""
    folder = damaged(
        whole, tmp_path / "outbox", files.segment_path(whole, 1).name, ("1", used(1, 1))
    )
    (folder / "damaged.json").write_bytes(garbage)

    assert [2] == restart(folder).named


def test_a_batch_that_failed_is_no_damage(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole frames behind a failed append's end mark are not taken for records after a restart."""
    folder = tmp_path / "outbox"
    shutil.copytree(whole, folder)
    writer = opened(folder)
    with monkeypatch.context() as broken:

        def fail(_: int) -> None:
            raise OSError(5, "Input/output error")

        broken.setattr(writer_module.os, "fdatasync", fail)
        with pytest.raises(Exception, match="Input/output error"):
            writer.append([b"lost 1", b"lost 2", b"lost 3"])
    writer.close()
    outcome = restart(folder)

    assert [*PAYLOADS[1:], *NEW] == [payload for _, payload in outcome.shipped]
    assert [] == outcome.named


def test_a_frame_inside_of_a_payload_is_no_record(tmp_path: Path) -> None:
    """Bytes that look like a frame are skipped with the whole record that holds them."""
    folder = tmp_path / "outbox"
    writer = opened(folder)
    inner = memoryview(frame_of(3))
    writer.append([b"x" + bytes(inner), b"second"])
    writer.close()
    flip(files.segment_path(folder, 1), 2 * HEADER_BYTES + 1 + len(inner) + 2)
    outcome = restart(folder)

    assert [2] == outcome.named
    assert [b"x" + bytes(inner), *NEW] == [payload for _, payload in outcome.shipped]


def refused(folder: Path) -> IntegrityFailure | None:
    try:
        opened(folder).close()
    except IntegrityFailure as error:
        return error
    return None


def frame_of(sequence: int) -> bytes:
    return writer_module.frames(sequence, [b"inner"])


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))


def outbox_id(folder: Path) -> str:
    return str(json.loads((folder / "identity").read_text())["outbox_id"])
