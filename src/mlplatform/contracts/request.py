"""One accepted request on its way from serving to the raw database.

Encoded as JSON (a person can read it with any Kafka tool). `outputs` are columnar, name -> list,
one item per row. `request_id` is a UUIDv7 made by the server; the client's own id is only a column.

Format 2 holds the inputs in `body`, in the form in which the client sent them (`request_inputs`);
format 1 holds them in `inputs`, columnar like the outputs, and so does every record once it is
decoded: null is null, and a NaN input is null as well.

`proof` is the record's place in the chain of its outbox (`evidence`). Earlier versions wrote none.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any, Literal

import msgspec
from uuid_utils import uuid7

from mlplatform.contracts.request_inputs import RecordedInputs, columns_of
from mlplatform.errors import InvalidInput

MOST_ROWS = 2**31 - 1
"""Of a request: what PostgreSQL's integer holds."""


class Proof(msgspec.Struct, frozen=True, omit_defaults=True):
    """What proves a record: see `evidence`. `begins` says why the chain begins anew with it."""

    salt: bytes
    digest: bytes
    chain: bytes
    begins: str = ""


class RawParts(msgspec.Struct, frozen=True):
    """The large parts of a record of format 2, as the very bytes that its digest covers."""

    body: msgspec.Raw = msgspec.Raw(b"{}")
    outputs: msgspec.Raw = msgspec.Raw(b"{}")


class RecordTail(msgspec.Struct, frozen=True):
    """A record's number and proof alone."""

    outbox_id: str
    sequence: int
    proof: Proof | None = None


class _Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a record has in every format."""

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
    dialect: str = ""  # in which the request was written; "": not recorded
    proof: Proof | None = None


class RequestRecord(_Facts, frozen=True, kw_only=True):
    """An accepted request with its answer, or the notice of one that could not be sent."""

    format: int = 1
    inputs: dict[str, list[Any]] = {}
    outputs: dict[str, list[Any]] = {}
    reason: str = ""  # oversize: why it is a dead letter
    size: int = 0  # oversize: bytes of the record that was too large


class EncodedRecord(_Facts, frozen=True, kw_only=True):
    """An accepted request whose large parts are JSON already: what serving stores."""

    format: int = 2
    body: msgspec.Raw
    outputs: msgspec.Raw


class _Decoded(RequestRecord, frozen=True, kw_only=True):
    body: RecordedInputs | None = None


_tail_decoder = msgspec.json.Decoder(RecordTail)
_raw_decoder = msgspec.json.Decoder(RawParts)
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Decoded)
_FIELDS = tuple(sorted(set(RequestRecord.__struct_fields__) - {"format", "inputs"}))
_values = attrgetter(*_FIELDS)


def encode(record: RequestRecord | EncodedRecord) -> bytes:
    """JSON bytes. NaN and infinities become null."""
    return _encoder.encode(record)


def decode(data: bytes) -> RequestRecord:
    """The record behind JSON bytes, whose inputs are columns.

    Raises InvalidInput when they are none, or of a later format.
    """
    try:
        found = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"not a request record: {error}") from error
    if found.format not in (1, 2):
        raise InvalidInput(f"record format {found.format} is neither 1 nor 2", field="format")
    inputs = found.inputs
    if found.format > 1 and found.kind == "request":
        inputs = columns_of(found.body or RecordedInputs(), found.rows)
    facts: dict[str, Any] = dict(zip(_FIELDS, _values(found), strict=True))
    return RequestRecord(inputs=inputs, **facts)


def decode_tail(data: bytes) -> RecordTail | None:
    """A record's number and proof; None where they can't be read."""
    try:
        return _tail_decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def raw_parts(data: bytes) -> RawParts:
    """The bytes of body and outputs. Raises InvalidInput."""
    try:
        return _raw_decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"not a request record: {error}") from error


def new_request_id() -> str:
    """A UUIDv7: its first 48 bits are milliseconds, so ids sort by time."""
    return str(uuid7())
