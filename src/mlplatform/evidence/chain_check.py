"""Walk the chain of one outbox and name every number that is not what was recorded.

Records come by ascending number. Each is linked to the one before it; where that one is missing or
at fault, the next is taken as it is (its own successor proves its place in the chain), and counts
as unproven until what belongs in front of it is found elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mlplatform.contracts.chain import before, link
from mlplatform.contracts.evidence import ProvenOutbox
from mlplatform.evidence.findings import Accusation, ChainFinding, Explanation, Note, OutboxVerdict
from mlplatform.evidence.gaps import explained, ranges
from mlplatform.evidence.misplaced import Hole, Misplaced
from mlplatform.evidence.record import ProvenRecord

_UNPROVEN = "what comes before it is missing, so its link to that can't be proven"
SETTLED_S = 60.0
"""Partitions of the queue are stored at different speeds: a gap below a younger record may fill."""


@dataclass
class ChainCheck:
    """One outbox. `read_at` is when its records were read, `witnesses` number -> chain."""

    outbox: ProvenOutbox
    read_at: datetime
    witnesses: dict[int, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Nothing is judged yet."""
        self._findings: list[ChainFinding] = []
        self._notes: list[Note] = []
        self._at = 0 if self.outbox.first == 1 else -1  # -1: wherever the records begin
        # What the next record may be linked to; `_sure` says that it must be one of them.
        self._heads: list[bytes] = [before(self.outbox.outbox_id)] if self._at == 0 else []
        self._sure = bool(self._heads)
        self._seen = False  # a record with a proof
        self._proven = 0
        self._witnessed: int | None = None
        self._rewritten = False
        self._unchained: list[int] = []
        self._misplaced = Misplaced()

    def add(self, number: int, records: Sequence[ProvenRecord]) -> None:
        """All records of the next number."""
        if self._at < 0:
            self._at = number - 1
        if number > self._at + 1:
            self._gap(self._at + 1, number - 1, records[0])
        chosen = self._choose(number, records)
        for other in records:
            if other is not chosen and not _same(other, chosen):
                self._beside(number, other, chosen)
        self._judge(number, chosen)
        self._at = number

    def _beside(self, number: int, other: ProvenRecord, chosen: ProvenRecord) -> None:
        """A number has two records that differ, and this is the one that does not fit."""
        same = other.request_id == chosen.request_id
        if same and (chosen.kind, other.kind) == ("dead letter", "row") and chosen.sound:
            detail = "its dead letter holds what was recorded; the ledger has who corrected it"
            self._note("corrected", number, number, detail)
            return
        detail = f"request {other.request_id}, beside request {chosen.request_id}"
        self._accuse("inserted", number, number, f"{detail} with the same number")
        self._misplaced.offer(other)

    def finish(self) -> OutboxVerdict:
        """After the last record."""
        self._settle_unchained(begins=False)
        for kind, first, last, detail in self._misplaced.resolved():
            self._accuse(kind, first, last, detail)
        for number in self._misplaced.unproven():
            self._note("unproven", number, number, _UNPROVEN)
        return OutboxVerdict(
            outbox_id=self.outbox.outbox_id,
            first=self.outbox.first,
            last=self.outbox.last,
            proven=self._proven,
            witnessed=self._witnessed,
            findings=tuple(sorted(self._findings, key=lambda found: found.first)),
            notes=tuple(sorted(self._notes, key=lambda note: note.first)),
        )

    def _choose(self, number: int, records: Sequence[ProvenRecord]) -> ProvenRecord:
        """The record that belongs under this number."""

        def rank(record: ProvenRecord) -> tuple[bool, bool, bool, bool]:
            proof = record.proof
            fits = proof is not None and any(
                link(head, number, proof.digest) == proof.chain for head in self._heads
            )
            return fits, record.sound, proof is not None, record.kind == "row"

        return max(records, key=rank)

    def _judge(self, number: int, record: ProvenRecord) -> None:
        proof = record.proof
        if proof is None:
            self._unlinked(number, record)
            return
        self._settle_unchained(begins=bool(proof.begins))
        self._seen = True
        if proof.begins:
            self._note("begins anew", number, number, proof.begins)
            self._heads, self._sure = [before(self.outbox.outbox_id, number)], True
        sound = self._content(number, record)
        self._proven += sound
        fits = any(link(head, number, proof.digest) == proof.chain for head in self._heads)
        followers = [proof.chain]
        if not fits and self._sure:
            followers += self._off(number, record)
            self._proven -= sound
        elif not fits and not self._begun_here(number):
            self._misplaced.entered(record)
        self._sure = fits or len(followers) == 1
        self._witness(number, proof.chain)
        self._heads = followers

    def _begun_here(self, number: int) -> bool:
        """Whether this is merely where the window begins."""
        return number < self.outbox.first or (number == self.outbox.first and number > 1)

    def _off(self, number: int, record: ProvenRecord) -> list[bytes]:
        """A record that is not linked to the one before it; what the next may be linked to."""
        assert record.proof is not None
        head = self._heads[0]
        if record.computed and link(head, number, record.computed) == record.proof.chain:
            return []  # only the digest differs, and that is named
        self._misplaced.broken(head, record)
        found = [link(head, number, record.proof.digest)]
        return [*found, link(head, number, record.computed)] if record.computed else found

    def _content(self, number: int, record: ProvenRecord) -> bool:
        """Judge the record alone."""
        if record.sound:
            if record.kind == "digest":
                return False  # it links others, and is itself no claim
            if record.forgotten:
                self._note(record.forgotten, number, number, record.why)
                return record.forgotten == "forgotten"
            if record.content is None:
                self._note("oversize", number, number)
            elif record.kind == "dead letter":
                self._note("dead letter", number, number)
            return True
        self._misplaced.changed(record)
        return False

    def _unlinked(self, number: int, record: ProvenRecord) -> None:
        """A record without a proof."""
        if record.forgotten:
            self._note(record.forgotten, number, number, f"{record.why}; it showed no proof")
        elif record.kind == "dead letter":
            self._note("dead letter", number, number, "can't be read, so it proves nothing")
        else:
            self._unchained.append(number)
        self._heads, self._sure = [], False

    def _settle_unchained(self, *, begins: bool) -> None:
        """Records without a proof are right only where a chain begins behind them.

        And where no checkpoint has seen a chain.
        """
        by_rights = begins or not self._seen
        for first, last in ranges(self._unchained):
            if by_rights and not any(first <= number <= last for number in self.witnesses):
                self._note("not chained", first, last, "written by an earlier version")
            else:
                self._accuse(
                    "inserted",
                    first,
                    last,
                    "has no proof: inserted, its proof removed, "
                    "or written by an earlier version of serving",
                )
        self._unchained.clear()

    def _gap(self, first: int, last: int, above: ProvenRecord) -> None:
        for start, end, kind, detail in explained(self.outbox, first, last):
            if kind is not None:
                self._note(kind, start, end, detail)
            elif above.stored_at > self.read_at - timedelta(seconds=SETTLED_S):
                self._note("not stored yet", start, end, "a newer record is; verify again")
            else:
                head = self._heads[0] if self._heads and start == self._at + 1 else None
                self._misplaced.removed(Hole(start, end, head))
        self._heads, self._sure = [], False

    def _witness(self, number: int, chain: bytes) -> None:
        expected = self.witnesses.get(number)
        if expected is None or self._rewritten:
            return
        if expected == chain:
            self._witnessed = number
            return
        self._rewritten = True
        first = (self._witnessed or self.outbox.first - 1) + 1
        self._accuse(
            "rewritten",
            first,
            number,
            f"the checkpoint of number {number} has another "
            "chain: from one of these numbers on it was computed anew",
        )

    def _accuse(self, kind: Accusation, first: int, last: int, detail: str) -> None:
        outbox_id = self.outbox.outbox_id
        self._findings.append(
            ChainFinding(outbox_id=outbox_id, first=first, last=last, kind=kind, detail=detail)
        )

    def _note(self, kind: Explanation, first: int, last: int, detail: str = "") -> None:
        note = self._notes[-1] if self._notes else None
        if note and (note.kind, note.detail, note.last) == (kind, detail, first - 1):
            self._notes[-1] = note.model_copy(update={"last": last})
            return
        outbox_id = self.outbox.outbox_id
        self._notes.append(
            Note(outbox_id=outbox_id, first=first, last=last, kind=kind, detail=detail)
        )


def _same(one: ProvenRecord, other: ProvenRecord) -> bool:
    """Whether both are the same record, sent twice."""
    if one.proof is None or other.proof is None:
        return one.request_id == other.request_id and one.proof == other.proof
    return one.proof == other.proof and one.sound == other.sound
