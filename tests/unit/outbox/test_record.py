"""Frames: what is whole is read back, what is not is never taken for a record."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mlplatform.outbox.record import HEADER_BYTES, OutboxRecord, frame, frame_bytes, frames, parse

SEQUENCES = st.integers(1, 2**64 - 2)
PAYLOADS = st.binary(max_size=200)


@given(SEQUENCES, PAYLOADS)
def test_a_whole_frame_is_its_record(sequence: int, payload: bytes) -> None:
    """What was framed comes back, whatever follows it."""
    assert parse(memoryview(frame(sequence, payload) + b"rest"), sequence) == OutboxRecord(
        sequence, payload
    )


@given(SEQUENCES, PAYLOADS, st.data())
def test_a_cut_frame_is_no_record(sequence: int, payload: bytes, data: st.DataObject) -> None:
    """A torn tail differs from a record, with the number of bytes it lacks."""
    whole = frame(sequence, payload)
    length = data.draw(st.integers(0, len(whole) - 1))
    found = parse(memoryview(whole[:length]), sequence)

    assert (HEADER_BYTES if length < HEADER_BYTES else len(whole)) == found


@given(SEQUENCES, PAYLOADS, st.data())
def test_a_flipped_bit_is_no_record(sequence: int, payload: bytes, data: st.DataObject) -> None:
    """Any single bit that changes, in header or payload, makes the frame unreadable."""
    whole = bytearray(frame(sequence, payload))
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    whole[bit // 8] ^= 1 << bit % 8

    assert not isinstance(parse(memoryview(bytes(whole)), sequence), OutboxRecord)


@given(SEQUENCES, PAYLOADS)
def test_a_frame_of_another_number_is_no_record(sequence: int, payload: bytes) -> None:
    """What an older use of the same disk blocks left behind is not read as new."""
    assert 0 == parse(memoryview(frame(sequence, payload)), sequence + 1)


@given(st.lists(PAYLOADS, max_size=5))
def test_frames_take_the_room_that_is_reckoned(payloads: list[bytes]) -> None:
    """The writer's reckoning of room equals what it writes."""
    assert len(frames(1, payloads)) == sum(frame_bytes(payload) for payload in payloads)
