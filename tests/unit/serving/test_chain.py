"""The chain of an outbox's records goes on through restarts, losses and new identities."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from unittest.mock import Mock

import pytest
from chained import encoded

from mlplatform.contracts import chain as chains
from mlplatform.contracts.request import RequestRecord, decode, encode
from mlplatform.outbox import OutboxReader, OutboxWriter
from mlplatform.outbox.segment_file import SegmentFile
from mlplatform.serving.chain import RecordChain
from mlplatform.serving.salts import Salts


def opened(folder: Path) -> OutboxWriter:
    return OutboxWriter.open(folder, segment_bytes=1 << 16, capacity_bytes=1 << 22)


def add(writer: OutboxWriter, chain: RecordChain, count: int, *, store: bool = True) -> None:
    """Records of one group, which is stored or not."""
    group = chain.group()
    for _ in range(count):
        number = writer.next_number + len(group.payloads)
        record = group.sealed(encoded(number, outbox_id=writer.outbox_id))
        group.take(record, encode(record))
    if store:
        writer.append(group.payloads)
        chain.stored(group)


def run(folder: Path, count: int) -> None:
    """A run of serving that stores so many records."""
    writer = opened(folder)
    add(writer, RecordChain(writer), count)
    writer.close()


def records(folder: Path) -> list[RequestRecord]:
    reader = OutboxReader.open(folder)
    try:
        return [decode(record.payload) for record in reader.read(1_000, 1 << 30)]
    finally:
        reader.close()


def begins(folder: Path) -> list[int]:
    """The numbers at which a chain begins; each record in between is linked to the one before."""
    found, head = [], b""
    for record in records(folder):
        assert record.proof is not None
        if record.sequence == 1 or record.proof.begins:
            found.append(record.sequence)
            head = chains.before(record.outbox_id, record.sequence)
        head = chains.link(head, record.sequence, record.proof.digest)
        assert head == record.proof.chain
    return found


def test_a_restart_goes_on(tmp_path: Path) -> None:
    """The last record in the folder says where the chain stands."""
    for _ in range(3):
        run(tmp_path, 4)

    assert [1] == begins(tmp_path)


def test_no_salt_is_given_twice() -> None:
    """However many records there are, each has one of its own."""
    salts = Salts()
    drawn = [salts.draw() for _ in range(1_000)]

    assert {chains.SALT_BYTES: 1_000} == Counter(map(len, set(drawn)))


def test_what_was_not_stored_leaves_no_trace(tmp_path: Path) -> None:
    """Its numbers are given again, linked to the same record before them."""
    writer = opened(tmp_path)
    chain = RecordChain(writer)
    add(writer, chain, 2)
    add(writer, chain, 3, store=False)
    add(writer, chain, 2)
    writer.close()

    assert [1] == begins(tmp_path)
    assert [1, 2, 3, 4] == [record.sequence for record in records(tmp_path)]


def test_a_new_identity_has_a_chain_of_its_own(tmp_path: Path) -> None:
    """It begins with number 1, as any outbox."""
    writer = opened(tmp_path)
    chain = RecordChain(writer)
    add(writer, chain, 2)
    writer.renew("a test")
    add(writer, chain, 2)
    writer.close()
    run(tmp_path, 1)

    assert [1, 1] == begins(tmp_path)
    assert [1, 2, 1, 2, 3] == [record.sequence for record in records(tmp_path)]


def test_a_folder_of_an_earlier_version_begins_a_chain(tmp_path: Path) -> None:
    """The first record says so, and nothing is refused."""
    writer = opened(tmp_path)
    plain = [encoded(number, outbox_id=writer.outbox_id) for number in (1, 2)]
    writer.append([encode(record) for record in plain])
    writer.close()
    run(tmp_path, 2)

    last = records(tmp_path)[2]
    assert last.proof is not None
    assert "earlier version" in last.proof.begins
    assert chains.link(chains.before(last.outbox_id, 3), 3, last.proof.digest) == last.proof.chain


def test_a_lost_tail_begins_a_chain(tmp_path: Path) -> None:
    """Records that were published and are gone can't be linked to."""
    run(tmp_path, 4)
    (segment,) = tmp_path.glob("*.segment")
    segment.unlink()
    run(tmp_path, 1)

    (record,) = records(tmp_path)
    assert record.proof is not None
    assert (5, True) == (record.sequence, "lost" in record.proof.begins)


def test_an_empty_last_segment_is_looked_past(tmp_path: Path) -> None:
    """A crash between the making of a segment and its first record loses no link."""
    run(tmp_path, 3)
    empty = tmp_path / "00000000000000000004.segment"
    empty.write_bytes(bytes(1 << 16))
    run(tmp_path, 1)

    assert [1] == begins(tmp_path)


def test_what_a_killed_run_had_written_is_linked_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the write and the sync nobody got an answer, and the record is there all the same."""
    run(tmp_path, 2)
    writer = opened(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(SegmentFile, "sync", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            add(writer, RecordChain(writer), 1)
    os.close(writer._lock)  # as the kernel does
    run(tmp_path, 2)

    assert [1] == begins(tmp_path)
    assert [1, 2, 3, 4, 5] == [record.sequence for record in records(tmp_path)]


def test_a_torn_record_is_not_linked_to(tmp_path: Path) -> None:
    """Its number is given again, linked to the last whole one."""
    run(tmp_path, 3)
    (segment,) = tmp_path.glob("*.segment")
    data = segment.read_bytes()
    end = len(data.rstrip(b"\0"))
    segment.write_bytes(data[: end - 20] + bytes(len(data) - end + 20))
    (tmp_path / "durable").unlink()
    run(tmp_path, 1)

    # Which numbers were given is unknown here, so the folder has taken a new identity.
    assert [1, 1] == begins(tmp_path)
