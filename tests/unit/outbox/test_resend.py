"""After a reset of the queue the outbox sends again what it still holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlplatform.outbox import OutboxReader, OutboxWriter

SEGMENT = 4096
PAYLOAD = b"x" * 900  # four records in a segment


def _filled(folder: Path, count: int) -> OutboxWriter:
    writer = OutboxWriter.open(folder, segment_bytes=SEGMENT, capacity_bytes=8 * SEGMENT)
    for _ in range(count):
        writer.append([PAYLOAD])
    return writer


def _ship(folder: Path) -> list[int]:
    reader = OutboxReader.open(folder)
    sent = []
    while records := reader.read(3, 1 << 20):
        sent += [record.sequence for record in records]
        reader.acknowledge(records[-1].sequence)
    reader.close()
    return sent


@pytest.mark.parametrize("running", [True, False])
def test_what_is_left_is_sent_again_once(tmp_path: Path, running: bool) -> None:
    """From the oldest segment that was not given back; the same reset is heeded once."""
    writer = _filled(tmp_path, 10)
    sent = [_ship(tmp_path)]
    writer.send_again(1)
    if not running:
        writer.close()
        writer = _filled(tmp_path, 0)
    sent.append(_ship(tmp_path))
    writer.send_again(1)
    sent.append(_ship(tmp_path))
    writer.append([PAYLOAD])
    writer.send_again(3)
    sent.append(_ship(tmp_path))
    accepted = writer.status().accepted, writer.status().acknowledged
    writer.close()

    assert [[*range(1, 11)], [9, 10], [], [9, 10, 11]] == sent
    assert (11, 11) == accepted


def test_a_reader_that_runs_goes_back(tmp_path: Path) -> None:
    """Between two reads; what it had read and not acknowledged comes again too."""
    writer = _filled(tmp_path, 6)
    reader = OutboxReader.open(tmp_path)
    reader.acknowledge(reader.read(5, 1 << 20)[-1].sequence)
    writer.send_again(1)
    again = [record.sequence for record in reader.read(9, 1 << 20)]
    reader.acknowledge(again[-1])
    after = reader.read(9, 1 << 20)
    reader.close()
    writer.close()

    assert [5, 6] == again
    assert [] == list(after)


@pytest.mark.parametrize("content", [b"", b"garbage", None])
def test_a_lost_note_sends_once_more(tmp_path: Path, content: bytes | None) -> None:
    """Too often is harmless: the database stores a request once."""
    writer = _filled(tmp_path, 2)
    _ship(tmp_path)
    writer.send_again(1)
    _ship(tmp_path)
    if content is None:
        (tmp_path / "resets").unlink()
    else:
        (tmp_path / "resets").write_bytes(content)
    writer.send_again(1)
    writer.close()

    assert [1, 2] == _ship(tmp_path)
