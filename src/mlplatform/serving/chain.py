"""The chain of an outbox's records, as its writer makes it (`contracts.chain`).

It moves on only when records are stored: a number that is given again is linked to the same one
before it. When the folder is opened again, the last record in it says where the chain stands. Where
that is lost, or of a version without a chain, the chain begins anew, and its first record says so.
"""

from __future__ import annotations

import msgspec

from mlplatform.contracts import chain as chains
from mlplatform.contracts.request import EncodedRecord, Proof, decode_tail
from mlplatform.outbox import OutboxWriter
from mlplatform.serving.salts import Salts

_replace = msgspec.structs.replace
_LOST = "the record before it was lost from the outbox's folder"
_UNCHAINED = "the record before it has no chain: it was written by an earlier version"
_FOREIGN = "the record before it is of another outbox"


class RecordChain:
    """Used by the thread that writes the outbox."""

    def __init__(self, writer: OutboxWriter) -> None:
        """Go on where the folder ends."""
        self._writer = writer
        self._outbox_id = writer.outbox_id
        self._salts = Salts()
        self._begins = ""
        self._head = self._resumed()

    def group(self) -> RecordGroup:
        """The next records. None counts before `stored`."""
        if self._outbox_id != self._writer.outbox_id:  # it has taken a new identity
            self._outbox_id, self._begins = self._writer.outbox_id, ""
            self._head = self._first()
        return RecordGroup(self._head, self._begins, self._salts)

    def stored(self, group: RecordGroup) -> None:
        """The records of a group are in the outbox."""
        self._head, self._begins = group.head, group.begins

    def _resumed(self) -> bytes:
        last, number = self._writer.last, self._writer.next_number
        if number == 1:
            return self._first()
        found = None if last is None else decode_tail(last)
        if found is None:
            self._begins = _LOST
        elif found.outbox_id != self._outbox_id or found.sequence != number - 1:
            self._begins = _FOREIGN
        elif found.proof is None:
            self._begins = _UNCHAINED
        else:
            return found.proof.chain
        return self._first()

    def _first(self) -> bytes:
        return chains.before(self._outbox_id, self._writer.next_number)


class RecordGroup:
    """Records that are stored together; `head` is the chain behind the last one taken."""

    def __init__(self, head: bytes, begins: str, salts: Salts) -> None:
        """The chain before the first one, and why it begins there, if it does."""
        self.head, self.begins = head, begins
        self.payloads: list[bytes] = []
        self.size = 0  # bytes of them
        self._draw = salts.draw

    def sealed(self, record: EncodedRecord) -> EncodedRecord:
        """The record with its proof. The next one is the same until it is taken."""
        salt = self._draw()
        digest = chains.digest_of(salt, record, memoryview(record.body), memoryview(record.outputs))
        chain = chains.link(self.head, record.sequence, digest)
        return _replace(record, proof=Proof(salt, digest, chain, self.begins))

    def take(self, record: EncodedRecord, payload: bytes) -> None:
        """What was sealed last, encoded, is among those that are stored."""
        assert record.proof is not None
        self.head, self.begins = record.proof.chain, ""
        self.payloads.append(payload)
        self.size += len(payload)
