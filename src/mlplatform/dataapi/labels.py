"""Labels in: what turned out to be true, by request id and row.

What can't be a label is named in the answer and kept in quarantine; a label of a row that was
forgotten is named only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mlplatform.access import Caller
from mlplatform.contracts.labels import LabelRefusal, LabelsResult
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.dataapi.audit import AuditLog
from mlplatform.dataapi.rows.labels import MAY, LabelCheck, LabelFault, known_id
from mlplatform.database import (
    corrections,
    labels,
    pipelines,
    quarantine,
    raw_lookups,
    raw_requests,
)
from mlplatform.database.labels import Label
from mlplatform.database.ledger import Entry
from mlplatform.database.pools import PrimaryPool
from mlplatform.database.quarantine import Refusal
from mlplatform.database.raw_lookups import Found
from mlplatform.database.raw_requests import Owner
from mlplatform.database.sessions import Connection

CHUNK = 5_000
"""Labels per transaction: it holds the lock on the mark, which etl waits for."""


class Labels:
    """Handler of labels. Safe to share between threads."""

    def __init__(
        self, raws: Mapping[str, PrimaryPool], warehouse: PrimaryPool, audit: AuditLog
    ) -> None:
        self._raws = raws
        self._warehouse = warehouse
        self._audit = audit

    def add(self, caller: Caller, items: Sequence[Any], *, pipeline: str | None) -> LabelsResult:
        """Add labels.

        `pipeline` is meant where an item names none; it is needed only for requests that are not
        stored yet.
        """
        accepted = 0
        refused: list[LabelRefusal] = []
        subject = f"{pipeline}.labels" if pipeline else "labels"
        with self._audit.attempt(caller, "label", subject, roles=MAY, pipeline=None) as entry:
            check = LabelCheck(caller, self._definitions(), {}, pipeline)
            for first in range(0, len(items), CHUNK):
                good, bad = self._chunk(check, items[first : first + CHUNK], first)
                accepted += good
                refused += bad
            if not items:  # others are entered per pipeline, in the transactions of the labels
                entry.rows = 0
                entry.detail = {"refused": 0}
                self._audit.write(entry)
        return LabelsResult(accepted=accepted, refused=refused)

    def _definitions(self) -> dict[str, PipelineDefinition]:
        with self._warehouse.transaction() as connection:
            return {item.name: item.parsed() for item in pipelines.all_applied(connection)}

    def _chunk(
        self, check: LabelCheck, items: Sequence[Any], first: int
    ) -> tuple[int, list[LabelRefusal]]:
        ids = {known for item in items if (known := known_id(item)) is not None}
        stored = raw_lookups.owners(self._raws, sorted(ids))
        check = replace(check, owners={each: found.item for each, found in stored.items()})
        good: dict[int, Label] = {}
        refused: list[LabelRefusal] = []
        refusals: list[Refusal] = []
        for index, item in enumerate(items, start=first):
            try:
                good[index] = check.label(item)
            except LabelFault as fault:
                refused.append(LabelRefusal(index=index, field=fault.field, reason=fault.reason))
                refusals.append(check.refusal(item, fault))
        with self._warehouse.transaction() as connection:
            late = self._forgotten(connection, good, stored)
            kept = [label for index, label in good.items() if index not in late]
            quarantine.refuse(connection, refusals)
            for entry in _entries(check.caller, kept, refusals):
                self._audit.enter(connection, entry)
            # Last: it takes the mark, whose lock lasts until the commit.
            labels.add_feedback(connection, kept)
        refused += [_too_late(index) for index in late]
        return len(kept), sorted(refused, key=lambda each: each.index)

    def _forgotten(
        self,
        warehouse: Connection,
        good: Mapping[int, Label],
        stored: Mapping[str, Found[Owner]],
    ) -> list[int]:
        """Which labels are of rows that were forgotten; none is forgotten until the commit.

        They are not kept in quarantine: what they say is not to be stored anywhere.
        """
        for pipeline in sorted({label.pipeline for label in good.values()}):
            corrections.lock_shared(warehouse, pipeline)
        ids: dict[str, set[str]] = {}
        for label in good.values():
            if label.request_id in stored:
                ids.setdefault(stored[label.request_id].shard, set()).add(label.request_id)
        gone: set[tuple[str, int]] = set()
        for shard, own in ids.items():  # another server may be away
            with self._raws[shard].transaction() as raw:
                gone |= raw_requests.forgotten(raw, sorted(own))
        return [index for index, label in good.items() if (label.request_id, label.row) in gone]


def _too_late(index: int) -> LabelRefusal:
    return LabelRefusal(index=index, field="request_id", reason="this row was forgotten")


def _entries(caller: Caller, good: Sequence[Label], refusals: Sequence[Refusal]) -> list[Entry]:
    """One ledger entry per pipeline."""
    added = Counter(label.pipeline for label in good)
    refused = Counter(item.pipeline for item in refusals)
    return [
        Entry(
            caller.name,
            "label",
            f"{name}.labels" if name else "labels",
            rows=added[name],
            detail={"refused": refused[name]},
        )
        for name in sorted(added | refused)
    ]
