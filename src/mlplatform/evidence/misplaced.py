"""What does not fit where it stands: which records were changed, removed, swapped or moved.

Judged when the whole chain was walked, since what is missing in one place may stand in another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from mlplatform.contracts.chain import link
from mlplatform.evidence.content import ProvenContent
from mlplatform.evidence.findings import Accusation
from mlplatform.evidence.record import ProvenRecord

_MOST = 1_000
"""Records that are compared with each other to tell a swap from two changes."""
_NOTHING_FITS = "neither its content nor its place in the chain is right: inserted, or replaced"
_BROKEN = "it is not linked to the record before it: it, or that one, was changed with its proof"
Named = tuple[Accusation, int, int, str]


@dataclass(frozen=True, slots=True)
class Hole:
    """Numbers whose records are not there; `head` is the chain in front of them, if known."""

    first: int
    last: int
    head: bytes | None


@dataclass
class Misplaced:
    """Collects while the chain is walked."""

    _changed: list[ProvenRecord] = field(default_factory=list)
    _holes: list[Hole] = field(default_factory=list)
    _broken: dict[int, tuple[bytes, ProvenRecord]] = field(default_factory=dict)
    _entered: dict[int, ProvenRecord] = field(default_factory=dict)
    _offered: list[ProvenRecord] = field(default_factory=list)
    _cleared: set[int] = field(default_factory=set)
    _places: dict[int, ProvenRecord] = field(default_factory=dict)
    _contents: dict[int, int] = field(default_factory=dict)

    def changed(self, record: ProvenRecord) -> None:
        """Its content is not what its digest says."""
        self._changed.append(record)

    def removed(self, hole: Hole) -> None:
        """These numbers have no record."""
        self._holes.append(hole)

    def broken(self, head: bytes, record: ProvenRecord) -> None:
        """A record that is not linked to the one before it, whose chain is `head`."""
        self._broken[record.number] = head, record

    def entered(self, record: ProvenRecord) -> None:
        """The record before this one is unknown."""
        self._entered[record.number] = record

    def offer(self, record: ProvenRecord) -> None:
        """A record that belongs elsewhere, if anywhere."""
        self._offered.append(record)

    def resolved(self) -> Iterator[Named]:
        """Name everything. Records whose place is found prove what follows them."""
        self._place()
        for number, record in self._places.items():
            yield "swapped", number, number, f"its record stands under number {record.number}"
        for number, other in self._contents.items():
            yield "swapped", number, number, f"holds what was recorded under number {other}"
        for hole in self._holes:
            for first, last in _without(hole, self._places):
                yield "removed", first, last, "no such record is stored"
        changed = {record.number for record in self._changed}
        for number in self._broken.keys() - self._known():
            if number in changed:
                yield "inserted", number, number, _NOTHING_FITS
            else:
                yield "broken", number, number, _BROKEN
        yield from self._named_changes(
            self._places.keys() | self._contents.keys() | self._broken.keys()
        )

    def unproven(self) -> Iterator[int]:
        """After `resolved`: records in front of which something is missing for good."""
        known = self._known()
        yield from (number for number in self._entered if number not in known)

    def _known(self) -> set[int]:
        """Numbers of which it is known what belongs there."""
        return self._cleared | self._places.keys() | self._contents.keys()

    def _place(self) -> None:
        """Find out which record belongs where, from every known link on."""
        standing = self._entered | {number: each for number, (_, each) in self._broken.items()}
        pool = [*standing.values(), *self._offered][:_MOST]
        numbers = {n for hole in self._holes for n in range(hole.first, hole.last + 1)[:_MOST]}
        heads = [(number, head) for number, (head, _) in self._broken.items()]
        heads += [(hole.first, hole.head) for hole in self._holes if hole.head]
        while heads:
            number, head = heads.pop()
            if number in self._known():
                continue
            chain = self._settled(number, head, standing.get(number), pool)
            if chain is not None and number + 1 in standing.keys() | numbers:
                heads.append((number + 1, chain))

    def _settled(
        self, number: int, head: bytes, own: ProvenRecord | None, pool: Sequence[ProvenRecord]
    ) -> bytes | None:
        """The chain behind a number, when it is found what belongs there."""
        if own is not None and own.proof is not None:
            if _fits(head, number, own):
                self._cleared.add(number)
                return own.proof.chain
            for other in pool:  # its place in the chain is right, all else is another's
                if other.proof and link(head, number, other.proof.digest) == own.proof.chain:
                    self._contents[number] = other.number
                    return own.proof.chain
        for each in pool:
            if each.proof is not None and _fits(head, number, each):
                self._places[number] = each
                return each.proof.chain
        return None

    def _named_changes(self, named: AbstractSet[int]) -> Iterator[Named]:
        some = self._changed[:_MOST]
        for record in self._changed:
            if record.number in named:
                continue
            source = next((other for other in some if _holds_payload_of(record, other)), None)
            if source is not None:
                detail = f"holds what was recorded under number {source.number}"
                yield "swapped", record.number, record.number, detail
            else:
                detail = record.wrong or "its content is not what was recorded"
                yield "changed", record.number, record.number, detail


def _fits(head: bytes, number: int, record: ProvenRecord) -> bool:
    proof = record.proof
    return proof is not None and link(head, number, proof.digest) == proof.chain


def _without(hole: Hole, places: dict[int, ProvenRecord]) -> Iterator[tuple[int, int]]:
    """The ranges of a hole whose records stand nowhere."""
    first = hole.first
    for number in sorted(n for n in places if hole.first <= n <= hole.last):
        if number > first:
            yield first, number - 1
        first = number + 1
    if first <= hole.last:
        yield first, hole.last


def _holds_payload_of(record: ProvenRecord, other: ProvenRecord) -> bool:
    """Whether the payload that belongs to `other` stands in `record`: as a whole, or in parts."""
    mine, proof = record.content, other.proof
    if record is other or mine is None or proof is None:
        return False
    if mine.digest(proof.salt) == proof.digest:
        return True
    theirs = other.content
    if theirs is None:
        return False
    # Its own facts stayed where they are; inputs, outputs or both were exchanged.
    exchanged = (
        (mine.body, mine.outputs),
        (mine.body, theirs.outputs),
        (theirs.body, mine.outputs),
    )
    return any(
        ProvenContent(theirs.facts, body, outputs).digest(proof.salt) == proof.digest
        for body, outputs in exchanged
    )
