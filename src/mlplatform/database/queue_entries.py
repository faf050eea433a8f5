"""From a queue record to what the raw database takes: a row, or a dead letter with the reason.

The consumer makes them of what it reads, the data API of dead letters that are tried again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from mlplatform.contracts.chain import LAST_NUMBER, shown
from mlplatform.contracts.dead_letters import LetterKind
from mlplatform.contracts.pipeline import PIPELINE_NAME
from mlplatform.contracts.request import MOST_ROWS, RequestRecord, decode, raw_parts
from mlplatform.contracts.request_form import form_of
from mlplatform.contracts.usual_record import LONGEST_NAME, UsualContent, UsualRecord, usual
from mlplatform.database.request_row import RequestRow, time_of
from mlplatform.database.requests import DeadLetter, Entry
from mlplatform.errors import InvalidInput

UNREADABLE: LetterKind = "unreadable"
OVERSIZE: LetterKind = "oversize"
REFUSED: LetterKind = "refused"
_LONGEST_REASON = 500


class _ShownFacts(msgspec.Struct):
    """What balance and filters need, even of a record that is otherwise unreadable."""

    outbox_id: str | None = None
    sequence: int | None = None
    request_id: str | None = None
    pipeline: Any = None


_facts = msgspec.json.Decoder(_ShownFacts)


def entry(payload: bytes, *, partition: int, offset: int) -> Entry:
    """The row of a record, or its dead letter. Never raises."""
    found = usual(payload)
    if found is None:
        return plain_entry(payload, partition=partition, offset=offset)
    return _usual_row(*found, partition=partition, offset=offset)


def plain_entry(payload: bytes, *, partition: int, offset: int) -> Entry:
    """The same for a record of any format. Never raises."""
    place = {"partition": partition, "offset": offset}
    try:
        decoded = decode(payload)
        if decoded.kind == "oversize":
            too_large = f"the record of {decoded.size} bytes is too large for the queue"
            return dead_letter(payload, OVERSIZE, decoded.reason or too_large, **place)
        return _row(decoded, _proof(decoded, payload), **place)
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
    if sequence is not None and not 0 < sequence <= LAST_NUMBER:
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


def _usual_row(
    record: UsualRecord, content: UsualContent, *, partition: int, offset: int
) -> RequestRow:
    proof = record.proof
    return RequestRow(
        partition=partition,
        offset=offset,
        request_id=record.request_id,
        pipeline=record.pipeline,
        outbox_id=record.outbox_id,
        sequence=record.sequence,
        version=record.version,
        caller=record.caller,
        client_id=record.client_id,
        received_us=record.received_us,
        rows=record.rows,
        inputs=content.inputs,
        outputs=content.outputs,
        form=content.form,
        salt=proof.salt,
        digest=proof.digest,
        chain=proof.chain,
        begins=proof.begins or None,
    )


def _row(
    decoded: RequestRecord, proof: Mapping[str, Any], *, partition: int, offset: int
) -> RequestRow:
    if not 0 < decoded.rows <= MOST_ROWS:
        raise InvalidInput(f"{decoded.rows} rows", field="rows")
    if not 0 < decoded.sequence <= LAST_NUMBER:
        raise InvalidInput(f"{decoded.sequence} is not a sequence number", field="sequence")
    # The columns are of type json, not jsonb: it takes \u0000 inside of strings as it is written.
    outputs = msgspec.json.encode(decoded.outputs).decode()
    return RequestRow(
        partition=partition,
        offset=offset,
        request_id=_uuid("request_id", decoded.request_id),
        pipeline=_text("pipeline", decoded.pipeline),
        outbox_id=_uuid("outbox_id", decoded.outbox_id),
        sequence=decoded.sequence,
        version=_text("version", decoded.version),
        caller=_text("caller", decoded.caller),
        client_id=_client_id(decoded),
        received_us=_time(decoded.received_us),
        rows=decoded.rows,
        inputs=msgspec.json.encode(decoded.inputs).decode(),
        **{"outputs": outputs, **proof},
    )


def _proof(decoded: RequestRecord, payload: bytes) -> dict[str, Any]:
    """The columns that prove a row, and what rebuilds the bytes that they are of."""
    proof = decoded.proof
    if proof is None:
        return {}
    parts = raw_parts(payload)
    try:
        return {
            "outputs": bytes(parts.outputs).decode(),
            "form": form_of(bytes(parts.body), decoded.inputs, _client_id(decoded)),
            "salt": proof.salt,
            "digest": proof.digest,
            "chain": proof.chain,
            "begins": proof.begins or None,
        }
    except UnicodeDecodeError as error:
        raise InvalidInput("is not UTF-8", field="body") from error


def _client_id(decoded: RequestRecord) -> str | None:
    return None if decoded.client_id is None else shown(decoded.client_id)


def _text(field: str, value: str) -> str:
    if "\0" in value:
        raise InvalidInput("has a NUL character", field=field)
    if len(value) > LONGEST_NAME:
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


def _time(microseconds: int) -> int:
    try:
        time_of(microseconds)
    except OverflowError as error:
        raise InvalidInput(f"{microseconds} is not a time", field="received_us") from error
    return microseconds
