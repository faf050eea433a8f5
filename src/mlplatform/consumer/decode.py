"""From a queue record to what the raw database takes: a row, or a dead letter with the reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from mlplatform.contracts.request import RequestRecord, decode
from mlplatform.database.requests import DeadLetter, Entry, RequestRow
from mlplatform.errors import InvalidInput
from mlplatform.queue import QueueRecord

UNREADABLE = "unreadable"
OVERSIZE = "oversize"
REFUSED = "refused"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_REASON = 500
# Names are far shorter; an index of PostgreSQL takes no entry above 2,700 bytes.
_LONGEST_NAME = 250
_MOST_ROWS = 2**31 - 1
_LAST_SEQUENCE = 2**63 - 1


class _Numbers(msgspec.Struct):
    """What the balance needs, even of a record that is otherwise unreadable."""

    outbox_id: str | None = None
    sequence: int | None = None
    request_id: str | None = None


_numbers = msgspec.json.Decoder(_Numbers)


def entry(record: QueueRecord) -> Entry:
    """The row of a record, or its dead letter. Never raises."""
    try:
        decoded = decode(record.value)
        if decoded.kind == "oversize":
            return dead_letter(
                record,
                OVERSIZE,
                decoded.reason or f"the record of {decoded.size} bytes is too large for the queue",
            )
        return _row(record, decoded)
    except InvalidInput as error:
        return dead_letter(record, UNREADABLE, str(error))
    except RecursionError:  # what the decoder says to JSON that is nested a thousand deep
        return dead_letter(record, UNREADABLE, "nested too deep")


def dead_letter(record: QueueRecord, kind: str, reason: str) -> DeadLetter:
    """A dead letter with whatever numbers the record still shows, for the balance to count."""
    try:
        numbers = _numbers.decode(record.value)
    except (
        msgspec.DecodeError,
        ValueError,
        RecursionError,
    ):  # not even JSON: the outbox's gap will name it
        numbers = _Numbers()
    sequence = (
        numbers.sequence
        if numbers.sequence is not None and 0 < numbers.sequence <= _LAST_SEQUENCE
        else None
    )
    return DeadLetter(
        partition=record.partition,
        offset=record.offset,
        kind=kind,
        reason=reason.replace("\0", "\\0")[:_LONGEST_REASON],
        payload=record.value,
        outbox_id=_uuid_or_none(numbers.outbox_id),
        sequence=sequence,
        request_id=_uuid_or_none(numbers.request_id),
    )


def _row(record: QueueRecord, decoded: RequestRecord) -> RequestRow:
    if not 0 < decoded.rows <= _MOST_ROWS:
        raise InvalidInput(f"{decoded.rows} rows", field="rows")
    if not 0 < decoded.sequence <= _LAST_SEQUENCE:
        raise InvalidInput(f"{decoded.sequence} is not a sequence number", field="sequence")
    return RequestRow(
        partition=record.partition,
        offset=record.offset,
        request_id=_uuid("request_id", decoded.request_id),
        pipeline=_text("pipeline", decoded.pipeline),
        outbox_id=_uuid("outbox_id", decoded.outbox_id),
        sequence=decoded.sequence,
        version=_text("version", decoded.version),
        caller=_text("caller", decoded.caller),
        client_id=_without_nul(decoded.client_id),
        received_at=_time(decoded.received_us),
        rows=decoded.rows,
        # The columns are of type json, not jsonb: it takes \u0000 inside of strings as it is
        # written.
        inputs=msgspec.json.encode(decoded.inputs).decode(),
        outputs=msgspec.json.encode(decoded.outputs).decode(),
    )


def _without_nul(client_id: str | None) -> str | None:
    """The client's own id, which may be any string.

    PostgreSQL's text holds all but NUL; that is shown instead of losing the request for it.
    """
    return None if client_id is None else client_id.replace("\0", "\N{SYMBOL FOR NULL}")


def _text(field: str, value: str) -> str:
    if "\0" in value:
        raise InvalidInput("has a NUL character", field=field)
    if len(value) > _LONGEST_NAME:
        raise InvalidInput(f"has {len(value)} characters", field=field)
    return value


def _uuid(field: str, value: str) -> UUID:
    try:
        return UUID(value)
    except ValueError as error:
        raise InvalidInput(f"{value[:60]!r} is not a UUID", field=field) from error


def _uuid_or_none(value: str | None) -> UUID | None:
    try:
        return UUID(value) if value else None
    except ValueError:
        return None


def _time(microseconds: int) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError as error:
        raise InvalidInput(f"{microseconds} is not a time", field="received_us") from error
