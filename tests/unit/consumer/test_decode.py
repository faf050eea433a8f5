"""From bytes to a row or a dead letter."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mlplatform.consumer.decode import entry
from mlplatform.contracts.request import RequestRecord, encode, new_request_id
from mlplatform.database.request_row import RequestRow
from mlplatform.database.requests import DeadLetter
from mlplatform.queue import QueueRecord

OUTBOX = "0d4f0d4b-53d0-4a5b-9d2e-3b4f6f1a2b3c"
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


def make(**changes: Any) -> RequestRecord:
    values: dict[str, Any] = {
        "outbox_id": OUTBOX, "sequence": 1, "request_id": new_request_id(), "pipeline": "demo",
        "version": "1", "caller": "me", "received_us": 1_700_000_000_000_000, "rows": 1,
    }  # fmt: skip
    return RequestRecord(**(values | changes))


@given(st.binary(max_size=300))
def test_no_bytes_break_it(value: bytes) -> None:
    """Whatever lies in the queue becomes a row or a dead letter that keeps the bytes."""
    found = entry(QueueRecord(1, 2, b"", value))

    assert isinstance(found, DeadLetter)
    assert (found.partition, found.offset, found.payload) == (1, 2, value)


@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            (
                "format",
                "kind",
                "outbox_id",
                "sequence",
                "request_id",
                "pipeline",
                "version",
                "caller",
                "received_us",
                "rows",
            ),
            JSON,
        ),
    )
)
def test_no_json_breaks_it(values: dict[str, Any]) -> None:
    """Nor does any JSON that looks like a record but is none."""
    assert isinstance(
        entry(QueueRecord(0, 0, b"", json.dumps(values).encode())), DeadLetter | RequestRow
    )


@given(
    st.text(),
    st.dictionaries(
        st.text(),
        st.lists(
            st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.text(), max_size=3
        ),
        max_size=3,
    ),
)
def test_any_request_of_a_client_becomes_a_row(
    client_id: str, inputs: dict[str, list[Any]]
) -> None:
    """No text or number of a client costs its request, and no NUL reaches PostgreSQL."""
    found = entry(QueueRecord(0, 0, b"", encode(make(client_id=client_id, inputs=inputs))))

    assert isinstance(found, RequestRow)
    assert "\0" not in (found.client_id or "")
    assert "\0" not in found.inputs


def test_dead_letters_keep_the_numbers() -> None:
    """Of a record that breaks its contract the balance's numbers are saved."""
    record = make(rows=0, sequence=17)
    found = entry(QueueRecord(0, 0, b"", encode(record)))

    assert isinstance(found, DeadLetter)
    assert (OUTBOX, 17, record.request_id) == (
        str(found.outbox_id),
        found.sequence,
        str(found.request_id),
    )
