"""One accepted request on its way from serving to the raw database.

Encoded as JSON (a person can read it with any Kafka tool). `inputs` and `outputs` are columnar,
name -> list, one item per row; null is null, and a NaN input is null as well. `request_id` is a
UUIDv7 made by the server; the client's own id is only a column.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from uuid_utils import uuid7

from mlplatform.errors import InvalidInput

FORMAT = 1


class RequestRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An accepted request with its answer, or the notice of one that could not be sent."""

    format: int = FORMAT
    kind: Literal["request", "oversize"] = "request"
    outbox_id: str
    sequence: int  # 1, 2, 3 … without gaps within an outbox; balance and loss alarm rest on it
    request_id: str
    pipeline: str
    version: str  # model version that answered
    caller: str  # name of the token
    client_id: str | None = None  # the id that the client gave, if any
    received_us: int  # microseconds since the epoch, UTC
    rows: int
    inputs: dict[str, list[Any]] = {}
    outputs: dict[str, list[Any]] = {}
    reason: str = ""  # oversize: why it is a dead letter
    size: int = 0  # oversize: bytes of the record that was too large


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(RequestRecord)


def encode(record: RequestRecord) -> bytes:
    """JSON bytes. NaN and infinities become null."""
    return _encoder.encode(record)


def decode(data: bytes) -> RequestRecord:
    """The record behind JSON bytes.

    Raises InvalidInput when they are none, or of a later format.
    """
    try:
        record = _decoder.decode(data)
    except msgspec.DecodeError as error:
        raise InvalidInput(f"not a request record: {error}") from error
    if record.format != FORMAT:
        raise InvalidInput(f"record format {record.format} is not {FORMAT}", field="format")
    return record


def new_request_id() -> str:
    """A UUIDv7: its first 48 bits are milliseconds, so ids sort by time."""
    return str(uuid7())
