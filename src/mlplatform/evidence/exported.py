"""An export, as it is read to be verified."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pydantic import ValidationError

from mlplatform.contracts.evidence import EvidenceSheet, ProvenOutbox, StoredRecord
from mlplatform.errors import InvalidInput
from mlplatform.evidence.checkpoints import Witnesses
from mlplatform.evidence.export import ExportLine


class ExportedRecords:
    """What a file holds. Raises InvalidInput for a line that is none of an export."""

    def __init__(self, lines: Iterable[str], witnesses: Witnesses) -> None:
        self.at: datetime | None = None
        self._records: dict[str, list[StoredRecord]] = {}
        for place, line in enumerate(lines, 1):
            try:
                found = ExportLine.model_validate_json(line)
            except ValidationError as error:
                raise InvalidInput(
                    f"line {place} is not one of an export: {error.errors()[0]['msg']}",
                    field="FILE",
                ) from error
            self.at = self.at or found.at
            if found.record is not None:
                self._records.setdefault(found.outbox_id or "", []).append(found.record)
            if found.checkpoint is not None:
                witnesses.add(found.checkpoint, f"line {place}")
        if self.at is None:
            raise InvalidInput("is not an export: it has no head", field="FILE")

    def sheet(self) -> EvidenceSheet:
        """What there is to be verified."""
        assert self.at is not None
        boxes = []
        for outbox_id, records in self._records.items():
            numbers = [record.number for record in records]
            # What is in front of the first whole one is there for its chain only.
            first = min((r.number for r in records if r.kind != "digest"), default=min(numbers))
            last = max(numbers)
            boxes.append(ProvenOutbox(outbox_id=outbox_id, first=first, last=last, highest=last))
        return EvidenceSheet(read_at=self.at, outboxes=boxes)

    @property
    def whole(self) -> int:
        """How many records are there with all that was recorded."""
        return sum(each.kind != "digest" for some in self._records.values() for each in some)

    def uncovered(self, witnesses: Witnesses) -> list[str]:
        """Outboxes of which some record lies behind every checkpoint that is believed."""
        found = []
        for outbox_id, records in self._records.items():
            highest = max((each.number for each in records if each.kind != "digest"), default=0)
            if highest > max(witnesses.of(outbox_id), default=0):
                found.append(f"no checkpoint covers number {highest} of outbox {outbox_id}")
        return found

    def records(self, box: ProvenOutbox) -> Iterable[StoredRecord]:
        """Those of an outbox."""
        return sorted(self._records[box.outbox_id], key=lambda record: record.number)
