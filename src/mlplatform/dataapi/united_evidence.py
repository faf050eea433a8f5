"""Stored records of several raw servers as those of one: an outbox has numbers on all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlplatform.contracts.evidence import EvidenceSheet, ProvenOutbox, RecordsPage
from mlplatform.contracts.number_ranges import joined


def elsewhere(found: Mapping[str, EvidenceSheet]) -> dict[str, list[str]]:
    """By server: the outboxes of which only others have a record in the window."""
    boxes = {shard: {box.outbox_id for box in each.outboxes} for shard, each in found.items()}
    every = set[str]().union(*boxes.values())
    return {shard: sorted(every - own) for shard, own in boxes.items() if every - own}


def sheet(found: Sequence[EvidenceSheet], more: Sequence[ProvenOutbox] = ()) -> EvidenceSheet:
    """What there is to be verified on all of them; as of the earliest read.

    `more`: what servers know of outboxes of which they have no record in the window themselves.
    """
    if len(found) == 1:
        return found[0]
    outboxes: dict[str, ProvenOutbox] = {}
    for each in (*(outbox for one in found for outbox in one.outboxes), *more):
        known = outboxes.get(each.outbox_id)
        outboxes[each.outbox_id] = each if known is None else _outbox(known, each)
    return EvidenceSheet(
        read_at=min(each.read_at for each in found),
        outboxes=[outboxes[name] for name in sorted(outboxes)],
        numberless=tuple(name for each in found for name in each.numberless),
        imported=sum(each.imported for each in found),
    )


def _outbox(one: ProvenOutbox, other: ProvenOutbox) -> ProvenOutbox:
    said = one if one.seen_at is not None else other
    return said.model_copy(
        update={
            "first": min(one.first, other.first),
            "last": max(one.last, other.last),
            "highest": max(one.highest, other.highest),
            "removed": joined((*one.removed, *other.removed)),
        }
    )


def page(found: Sequence[RecordsPage]) -> RecordsPage:
    """Records by ascending number, up to where every server has told all that it has."""
    if len(found) == 1:
        return found[0]
    ends = [each.records[-1].number for each in found if not each.last]
    upto = min(ends) if ends else None
    records = sorted(
        (record for each in found for record in each.records), key=lambda each: each.number
    )
    if upto is None:
        return RecordsPage(records=records, last=True)
    return RecordsPage(records=[record for record in records if record.number <= upto], last=False)
