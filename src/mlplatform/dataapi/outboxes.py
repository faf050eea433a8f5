"""What outboxes report of themselves."""

from __future__ import annotations

from mlplatform.access import Caller, Role
from mlplatform.contracts.outbox_report import OutboxReport
from mlplatform.dataapi.audit import AuditLog
from mlplatform.database import outboxes
from mlplatform.database.pools import PrimaryPool


class Outboxes:
    """Handler of the outboxes' heartbeats. Safe to share between threads."""

    def __init__(self, raw: PrimaryPool, audit: AuditLog) -> None:
        self._raw = raw
        self._audit = audit

    def report(self, caller: Caller, outbox_id: str, report: OutboxReport) -> None:
        """Keep what an outbox says of itself."""
        with (
            self._audit.viewing(caller, "outboxes", roles=[Role.SERVING], pipeline=None),
            self._raw.transaction() as connection,
        ):
            outboxes.record(connection, outbox_id, report)
