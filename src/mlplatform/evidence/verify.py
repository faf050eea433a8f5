"""Verify stored records: every outbox by itself, against its checkpoints where there are any."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from mlplatform.contracts.checkpoint import Checkpoint
from mlplatform.contracts.evidence import EvidenceSheet, ProvenOutbox, StoredRecord
from mlplatform.evidence.chain_check import ChainCheck
from mlplatform.evidence.checkpoints import Witnesses
from mlplatform.evidence.findings import AuditVerdict, ChainFinding, Note, OutboxVerdict
from mlplatform.evidence.gaps import explained
from mlplatform.evidence.record import proven

QUEUED_S = 600.0
"""A record that the queue had acknowledged so long ago and that is not stored is taken as removed:
a consumer is seconds behind."""
_QUEUED = "it may lie in the queue; verify again"
Records = Callable[[ProvenOutbox], Iterable[StoredRecord]]


@dataclass(frozen=True)
class Scope:
    """What a verification is of.

    `whole`: records are to begin with number 1, and not where a window of time does. `to_the_end`:
    the window has no end, so the last records are to be there.
    """

    whole: bool = True
    to_the_end: bool = True


def verify(
    sheet: EvidenceSheet, records: Records, scope: Scope, witnesses: Witnesses
) -> AuditVerdict:
    """Judge all outboxes of the sheet; `records` gives those of one, by ascending number."""
    begin = {"first": 1} if scope.whole else {}
    boxes = [box.model_copy(update=begin) for box in sheet.outboxes]
    verdicts = [_outbox(box, records(box), sheet.read_at, scope, witnesses) for box in boxes]
    if scope.whole and scope.to_the_end:
        known = {box.outbox_id for box in boxes}
        verdicts += [
            _gone(outbox_id, seen, sheet.read_at)
            for outbox_id, seen in witnesses.all.items()
            if outbox_id not in known
        ]
    accused = sheet.numberless or witnesses.refused or any(box.findings for box in verdicts)
    return AuditVerdict(
        ok=not accused,
        at=sheet.read_at,
        outboxes=tuple(verdicts),
        numberless=sheet.numberless,
        imported=sheet.imported,
        refused=tuple(witnesses.refused),
        signed=witnesses.signed,
        unsigned=witnesses.unsigned,
    )


def _outbox(
    box: ProvenOutbox,
    records: Iterable[StoredRecord],
    read_at: datetime,
    scope: Scope,
    witnesses: Witnesses,
) -> OutboxVerdict:
    seen = witnesses.of(box.outbox_id)
    chains = {number: bytes.fromhex(each.chain) for number, each in seen.items()}
    check = ChainCheck(box, read_at, chains)
    last = box.first - 1
    for number, group in groupby(map(proven, records), key=lambda record: record.number):
        check.add(number, list(group))
        last = number
    verdict = check.finish()
    if not scope.to_the_end:
        return verdict
    return _with_tail(verdict, box, last, _acknowledged(box, seen), read_at)


def _acknowledged(
    box: ProvenOutbox, seen: Mapping[int, Checkpoint]
) -> Iterator[tuple[int, datetime, str]]:
    """Numbers up to which the queue had acknowledged, when that was said, and by whom."""
    if box.seen_at is not None and box.acknowledged > box.given_up:
        yield box.acknowledged, box.seen_at, "its outbox has reported it as sent"
    for each in seen.values():
        yield each.number, each.at, f"there is a checkpoint of number {each.number}"


def _with_tail(
    verdict: OutboxVerdict,
    box: ProvenOutbox,
    last: int,
    acknowledged: Iterable[tuple[int, datetime, str]],
    read_at: datetime,
) -> OutboxVerdict:
    """The verdict, and what is missing behind the last stored record."""
    beyond = [each for each in acknowledged if each[0] > last]
    if not beyond:
        return verdict
    settled = [each for each in beyond if each[1] < read_at - timedelta(seconds=QUEUED_S)]
    upto, _, said = max(settled or beyond)
    findings, notes = list(verdict.findings), list(verdict.notes)
    for first, end, kind, why in explained(box, last + 1, upto):
        where: dict[str, Any] = {"outbox_id": box.outbox_id, "first": first, "last": end}
        if kind is not None:
            notes.append(Note(**where, kind=kind, detail=why))
        elif settled:
            findings.append(ChainFinding(**where, kind="removed", detail=said))
        else:
            notes.append(Note(**where, kind="not stored yet", detail=_QUEUED))
    return verdict.model_copy(update={"findings": tuple(findings), "notes": tuple(notes)})


def _gone(outbox_id: str, seen: Mapping[int, Checkpoint], read_at: datetime) -> OutboxVerdict:
    """An outbox that only checkpoints know."""
    box = ProvenOutbox(outbox_id=outbox_id, first=1, last=max(seen), highest=max(seen))
    verdict = OutboxVerdict(outbox_id=outbox_id, first=1, last=box.last)
    return _with_tail(verdict, box, 0, _acknowledged(box, seen), read_at)
