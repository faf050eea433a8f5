"""The request record on its way."""

from __future__ import annotations

import pytest

from mlplatform.contracts import request
from mlplatform.errors import InvalidInput


def _record(**changes: object) -> request.RequestRecord:
    facts = {
        "outbox_id": "o",
        "sequence": 1,
        "request_id": request.new_request_id(),
        "pipeline": "loans",
        "version": "1",
        "caller": "ann",
        "received_us": 1,
        "rows": 1,
    }
    return request.RequestRecord(**(facts | changes))  # type: ignore[arg-type]


def test_round_trip_keeps_everything() -> None:
    """What is encoded is decoded to an equal record."""
    record = _record(inputs={"income": [1.5], "city": ["Zürich"]}, outputs={"prediction": ["yes"]})

    assert request.decode(request.encode(record)) == record


def test_nan_becomes_null() -> None:
    """JSON knows no NaN: it travels as null."""
    assert {"income": [None]} == request.decode(
        request.encode(_record(inputs={"income": [float("nan")]}))
    ).inputs


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff", b'{"format": 1}', b"[]"])
def test_garbage_is_invalid_input(data: bytes) -> None:
    """Bytes that are no record raise InvalidInput, which the consumer turns into a dead letter."""
    with pytest.raises(InvalidInput):
        request.decode(data)


def test_later_format_is_refused() -> None:
    """A record of a newer format is not misread as an old one."""
    with pytest.raises(InvalidInput, match="format 3"):
        request.decode(request.encode(_record(format=3)))


def test_ids_sort_by_time() -> None:
    """Ids are UUIDv7: later ones are greater, which partitions and indexes rest on."""
    ids = [request.new_request_id() for _ in range(100)]

    assert ids == sorted(ids)
