"""From a queue record to what the raw database takes: a row, or a dead letter with the reason.

The consumer makes them of what it reads, the data API of dead letters that are tried again.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec

from mlplatform.contracts.chain import shown
from mlplatform.contracts.dead_letters import LetterKind
from mlplatform.contracts.pipeline import PIPELINE_NAME
from mlplatform.contracts.request import RequestRecord, decode, raw_parts
from mlplatform.contracts.request_form import form_of
from mlplatform.database.requests import DeadLetter, Entry, RequestRow
from mlplatform.errors import InvalidInput

UNREADABLE: LetterKind = "unreadable"
OVERSIZE: LetterKind = "oversize"
REFUSED: LetterKind = "refused"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_REASON = 500
# Names are far shorter; an index of PostgreSQL takes no entry above 2,700 bytes.
_LONGEST_NAME = 250
_MOST_ROWS = 2**31 - 1
_LAST_SEQUENCE = 2**63 - 1


class _ShownFacts(msgspec.Struct):
    """What balance and filters need, even of a record that is otherwise unreadable."""

    outbox_id: str | None = None
    sequence: int | None = None
    request_id: str | None = None
    pipeline: Any = None


_facts = msgspec.json.Decoder(_ShownFacts)


def entry(payload: bytes, *, partition: int, offset: int) -> Entry:
    """The row of a record, or its dead letter. Never raises."""
    place = {"partition": partition, "offset": offset}
    try:
        decoded = decode(payload)
        if decoded.kind == "oversize":
            too_large = f"the record of {decoded.size} bytes is too large for the queue"
            return dead_letter(payload, OVERSIZE, decoded.reason or too_large, **place)
        return _proven(_row(decoded, **place), decoded, payload)
    except InvalidInput as error:
        return dead_letter(payload, UNREADABLE, str(error), **place)
    except RecursionError:  # what the decoder says to JSON that is nested a thousand deep
        return dead_letter(payload, UNREADABLE, "nested too deep", **place)


def dead_letter(
    payload: bytes, kind: LetterKind, reason: str, *, partition: int, offset: int
) -> DeadLetter:
    """A dead letter with whatever facts the record still shows, for the balance to count."""
    facts = _shown(payload)
    sequence = facts.sequence
    if sequence is not None and not 0 < sequence <= _LAST_SEQUENCE:
        sequence = None
    named = isinstance(facts.pipeline, str) and re.fullmatch(PIPELINE_NAME, facts.pipeline)
    return DeadLetter(
        partition=partition,
        offset=offset,
        kind=kind,
        reason=reason.replace("\0", "\\0")[:_LONGEST_REASON],
        payload=payload,
        outbox_id=_uuid_or_none(facts.outbox_id),
        sequence=sequence,
        request_id=_uuid_or_none(facts.request_id),
        pipeline=facts.pipeline if named else None,
    )


def _shown(payload: bytes) -> _ShownFacts:
    try:
        return _facts.decode(payload)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return _ShownFacts()  # not even JSON: the outbox's gap will name it


def _row(decoded: RequestRecord, *, partition: int, offset: int) -> RequestRow:
    if not 0 < decoded.rows <= _MOST_ROWS:
        raise InvalidInput(f"{decoded.rows} rows", field="rows")
    if not 0 < decoded.sequence <= _LAST_SEQUENCE:
        raise InvalidInput(f"{decoded.sequence} is not a sequence number", field="sequence")
    return RequestRow(
        partition=partition,
        offset=offset,
        request_id=_uuid("request_id", decoded.request_id),
        pipeline=_text("pipeline", decoded.pipeline),
        outbox_id=_outbox(decoded.outbox_id),
        sequence=decoded.sequence,
        version=_text("version", decoded.version),
        caller=_text("caller", decoded.caller),
        client_id=None if decoded.client_id is None else shown(decoded.client_id),
        received_at=_time(decoded.received_us),
        rows=decoded.rows,
        # The columns are of type json, not jsonb: it takes \u0000 inside of strings as it is
        # written.
        inputs=msgspec.json.encode(decoded.inputs).decode(),
        outputs=msgspec.json.encode(decoded.outputs).decode(),
    )


def _proven(row: RequestRow, decoded: RequestRecord, payload: bytes) -> RequestRow:
    """The row with its proof, and with what rebuilds the bytes that it is of."""
    proof = decoded.proof
    if proof is None:
        return row
    parts = raw_parts(payload)
    try:
        return replace(
            row,
            outputs=bytes(parts.outputs).decode(),
            form=form_of(bytes(parts.body), decoded.inputs, row.client_id),
            salt=proof.salt,
            digest=proof.digest,
            chain=proof.chain,
            begins=proof.begins or None,
        )
    except UnicodeDecodeError as error:
        raise InvalidInput("is not UTF-8", field="body") from error


def _text(field: str, value: str) -> str:
    if "\0" in value:
        raise InvalidInput("has a NUL character", field=field)
    if len(value) > _LONGEST_NAME:
        raise InvalidInput(f"has {len(value)} characters", field=field)
    return value


@lru_cache(maxsize=1_000)
def _outbox(value: str) -> UUID:
    """The id of an outbox, of which a queue holds few: to read a UUID costs more than a record."""
    return _uuid("outbox_id", value)


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
