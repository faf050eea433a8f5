"""Records that are too large for the queue."""

from __future__ import annotations

from pathlib import Path

from mlplatform.contracts.request import RequestRecord, decode, encode
from mlplatform.outbox import OutboxRecord
from mlplatform.shipper.oversize import set_aside

RECORD = RequestRecord(
    outbox_id="o", sequence=4, request_id="r", pipeline="p", version="2", caller="c",
    client_id="x" * 999, received_us=5, rows=6, inputs={"a": ["y" * 5000]}, outputs={"b": [1]},
)  # fmt: skip


def test_the_payload_is_kept_and_a_notice_sent(tmp_path: Path) -> None:
    """The file holds the payload byte for byte; the notice holds its size and reason."""
    payload = encode(RECORD)
    notice = decode(set_aside(tmp_path, "o", OutboxRecord(4, payload), "too large"))

    assert (tmp_path / "oversize" / "4.json").read_bytes() == payload
    assert ("oversize", "too large", len(payload)) == (notice.kind, notice.reason, notice.size)
    assert ("o", 4, "r", "p", "2", "c", "x" * 200, 5, 6, {}, {}) == (
        notice.outbox_id, notice.sequence, notice.request_id, notice.pipeline, notice.version,
        notice.caller, notice.client_id, notice.received_us, notice.rows, notice.inputs,
        notice.outputs,
    )  # fmt: skip


def test_an_unreadable_payload_has_its_number(tmp_path: Path) -> None:
    """Even for unreadable bytes the notice has outbox and number, which the balance needs."""
    notice = decode(set_aside(tmp_path, "o", OutboxRecord(9, b"?" * 100), "too large"))

    assert ("o", 9, 100, "oversize") == (
        notice.outbox_id,
        notice.sequence,
        notice.size,
        notice.kind,
    )


def test_setting_aside_again_is_the_same(tmp_path: Path) -> None:
    """A shipper that was killed in between does it again, with the same end."""
    first = set_aside(tmp_path, "o", OutboxRecord(4, encode(RECORD)), "too large")

    assert set_aside(tmp_path, "o", OutboxRecord(4, encode(RECORD)), "too large") == first
