"""The disk damages records of the outbox: the rest of them arrives, and they are named."""

from __future__ import annotations

import shutil
from pathlib import Path

from answers import answered, line, put, stored
from load import until
from whole import Platform

from mlplatform.outbox import folder as files
from mlplatform.outbox.record import HEADER_BYTES, OutboxRecord, frame_bytes
from mlplatform.outbox.scan import records

COUNT = 12
# Record (by its place among those that wait) -> the byte of it in which a bit flips: magic,
# length, sequence, checksum, payload; two in a row; and the last one, which nothing whole follows.
FLIPS = {1: 0, 3: 6, 4: 10, 6: 17, 8: HEADER_BYTES + 40, 11: HEADER_BYTES + 3}


def test_damaged_records_cost_only_themselves(platform: Platform, tmp_path: Path) -> None:
    """Every other request is stored as it was answered; with the undamaged folder back, all are."""
    processes, folder = platform.stack.supervisor, platform.stack.options.home / "outbox"
    platform.await_version(platform.champion())
    until(platform.balance_closes, "everything before is stored")
    processes.stop("shipper")
    before = platform.serving.outbox()
    given = answered(platform, COUNT)
    processes.stop("serving")
    shutil.copytree(folder, tmp_path / "whole")
    numbers = [before.accepted + 1 + place for place in FLIPS]
    damage(folder, COUNT)
    processes.start("shipper", "serving")
    platform.await_version(platform.champion())
    after = answered(platform, 3)
    kept = {key: value for place, (key, value) in enumerate(given.items()) if place not in FLIPS}
    until(lambda: (kept | after).keys() <= stored(platform).keys(), "what is whole is stored")

    def named() -> bool:
        found = line(platform, before.outbox_id)
        return found is not None and len(found.damaged) == 5 and not found.in_flight

    until(named, "what is damaged is named")
    found, rows = line(platform, before.outbox_id), stored(platform)
    assert found is not None
    assert numbers == [n for first, last in found.missing for n in range(first, last + 1)]
    assert numbers == [n for one in found.damaged for n in range(one.first, one.last + 1)]
    assert kept | after == {key: rows[key] for key in kept | after}
    assert not {key for key in given if key not in kept} & rows.keys()

    processes.stop("serving", "shipper")
    put(folder, tmp_path / "whole")
    processes.start("shipper", "serving")
    until(lambda: given.keys() <= stored(platform).keys(), "what was damaged is sent")
    until(platform.balance_closes, "the balance closes")
    rows = stored(platform)
    assert given | after == {key: rows[key] for key in given | after}


def damage(folder: Path, count: int) -> None:
    """Flip bits of the last `count` records, which lie in the last segment."""
    first = files.segments(folder)[-1]
    path = files.segment_path(folder, first)
    with path.open("r+b") as file:
        found = list(places(file.fileno(), first))[-count:]
        for place, byte in FLIPS.items():
            at = found[place] + byte
            file.seek(at)
            (value,) = file.read(1)
            file.seek(at)
            file.write(bytes([value ^ 4]))


def places(file: int, first: int) -> list[int]:
    """Where each record of a segment begins."""
    offsets, at = [], 0
    for record in records(file, 0, first):
        assert isinstance(record, OutboxRecord)
        offsets.append(at)
        at += frame_bytes(record.payload)
    return offsets
