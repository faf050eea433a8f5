"""A stored record, made ready to be judged: what its digest says and what its content gives."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import msgspec

from mlplatform.contracts.evidence import StoredRecord
from mlplatform.contracts.request import Proof, raw_parts
from mlplatform.contracts.request_form import body_of
from mlplatform.errors import InvalidInput
from mlplatform.evidence.content import ProvenContent, RecordFacts

_UNEXPLAINED = "what it held was removed, and no entry of the ledger is named for it"
_MOST_ROWS = 20
"""Row numbers that are listed: an imported request has a thousand."""
Forgotten = Literal["forgotten", "forgotten in part"]


class _Letter(RecordFacts, frozen=True, kw_only=True):
    """What a dead letter shows of it."""

    kind: str = "request"
    sequence: int
    proof: Proof | None = None


@dataclass(frozen=True, slots=True)
class ProvenRecord:
    """One record. `content` is None where it was forgotten, or never came.

    `wrong` says why content that is there can't be what was recorded; `computed` is its digest. Of
    one that was `forgotten` `why` names the entries of the ledger.
    """

    number: int
    kind: str
    stored_at: datetime
    request_id: str | None
    proof: Proof | None
    content: ProvenContent | None = None
    computed: bytes | None = None
    wrong: str = ""
    forgotten: Forgotten | None = None
    why: str = ""

    @property
    def sound(self) -> bool:
        """Whether the content is what the digest says."""
        if self.wrong or self.proof is None:
            return False
        return self.computed is None or self.computed == self.proof.digest


def proven(record: StoredRecord) -> ProvenRecord:
    """The record with its digest computed anew. Never raises."""
    return _letter(record) if record.kind == "dead letter" else _row(record)


def _row(record: StoredRecord) -> ProvenRecord:
    found = ProvenRecord(
        record.number, record.kind, record.stored_at, record.request_id, _proof_of(record)
    )
    if found.proof is None or record.kind == "digest":
        return found
    if record.forgotten:
        return _forgotten(found, record)
    if not (found.proof.salt or record.form):
        return _with(found, None, _UNEXPLAINED)
    return _with(found, *_content(record))


def _forgotten(found: ProvenRecord, record: StoredRecord) -> ProvenRecord:
    """What was removed can't be compared with the digest, nor what is left without the salt."""
    gone = sorted(set(record.forgotten or ()))
    entries = ", ".join(str(entry) for entry in sorted(set(record.forgotten_in or ())))
    whole = record.kind != "row" or len(gone) >= (record.rows or 0)
    if not entries:
        return _with(found, None, _UNEXPLAINED)
    if _still_there(record, gone, whole=whole):
        return _with(found, None, "it is said to be forgotten, and holds values all the same")
    why = f"ledger entry {entries}"
    if whole:
        return replace(found, forgotten="forgotten", why=why)
    rows = ", ".join(map(str, gone[:_MOST_ROWS])) + (", …" if len(gone) > _MOST_ROWS else "")
    why = f"row {rows} of {record.rows}, {why}; the others can't be proven any more"
    return replace(found, forgotten="forgotten in part", why=why)


def _still_there(record: StoredRecord, gone: Sequence[int], *, whole: bool) -> bool:
    """Whether values stand where none should."""
    if record.salt or record.form or record.payload:
        return True
    try:
        parts = [msgspec.json.decode(text) for text in (record.inputs, record.outputs) if text]
        lists = [values for part in parts for values in part.values()]
        if whole:
            return bool(lists)
        return any(values[row] is not None for values in lists for row in gone)
    except (msgspec.MsgspecError, AttributeError, LookupError, TypeError, RecursionError):
        return True


def _content(record: StoredRecord) -> tuple[ProvenContent | None, str]:
    try:
        body = body_of(record.form or "", (record.inputs or "").encode(), record.client_id)
        facts = RecordFacts(
            request_id=record.request_id or "",
            pipeline=record.pipeline or "",
            version=record.version or "",
            caller=record.caller or "",
            client_id=record.client_id,
            received_us=record.received_us or 0,
            rows=record.rows or 0,
        )
    except (ValueError, InvalidInput, msgspec.MsgspecError, RecursionError) as error:
        return None, str(error)
    return ProvenContent(facts, body, (record.outputs or "").encode()), ""


def _letter(record: StoredRecord) -> ProvenRecord:
    if record.forgotten_in:
        number, at, request_id = record.number, record.stored_at, record.request_id
        found = ProvenRecord(number, "dead letter", at, request_id, _proof_of(record))
        return _forgotten(found, record)
    payload = b64decode(record.payload or "")
    try:
        letter = msgspec.json.decode(payload, type=_Letter)
        parts = raw_parts(payload)
    except (InvalidInput, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ProvenRecord(record.number, "dead letter", record.stored_at, record.request_id, None)
    found = ProvenRecord(
        record.number, "dead letter", record.stored_at, letter.request_id, letter.proof
    )
    if letter.kind != "request" or letter.proof is None:  # its payload lies beside the outbox
        return found
    if letter.sequence != record.number:
        return _with(found, None, f"its payload has number {letter.sequence}")
    content = ProvenContent(letter, bytes(parts.body), bytes(parts.outputs))
    return _with(found, content, "")


def _with(record: ProvenRecord, content: ProvenContent | None, wrong: str) -> ProvenRecord:
    assert record.proof is not None
    return ProvenRecord(
        record.number,
        record.kind,
        record.stored_at,
        record.request_id,
        record.proof,
        content,
        None if content is None else content.digest(record.proof.salt),
        wrong,
    )


def _proof_of(record: StoredRecord) -> Proof | None:
    """None where the row has none of it, or where what is there is not hexadecimal."""
    if record.chain is None or record.digest is None:
        return None
    try:
        return Proof(
            bytes.fromhex(record.salt or ""),
            bytes.fromhex(record.digest),
            bytes.fromhex(record.chain),
            record.begins or "",
        )
    except ValueError:
        return None
