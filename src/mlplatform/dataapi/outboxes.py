"""What outboxes report of themselves, and which of two copies owns an identity."""

from __future__ import annotations

from mlplatform.access import Caller
from mlplatform.contracts.outbox_report import OutboxAnswer, OutboxReport
from mlplatform.dataapi import rights
from mlplatform.dataapi.audit import AuditLog
from mlplatform.database import outboxes, queue_offsets
from mlplatform.database.outboxes import KnownOutbox
from mlplatform.database.pools import PrimaryPool
from mlplatform.telemetry import logger

_log = logger("dataapi")


class Outboxes:
    """Handler of the outboxes' heartbeats. Safe to share between threads."""

    def __init__(self, raw: PrimaryPool, audit: AuditLog) -> None:
        self._raw = raw
        self._audit = audit

    def report(self, caller: Caller, outbox_id: str, report: OutboxReport) -> OutboxAnswer:
        """Keep what an outbox says of itself, unless another run owns its identity."""
        with (
            self._audit.viewing(
                caller, "outboxes", roles=rights.REPORT_OUTBOX.roles, pipeline=None
            ),
            self._raw.transaction() as connection,
        ):
            known = outboxes.known(connection, outbox_id)
            refused = superseded(known, report)
            if refused:
                outboxes.count_copy(connection, outbox_id)
            else:
                outboxes.record(connection, outbox_id, report)
            resets = queue_offsets.resets(connection)
        if refused:
            _log.error(
                "an older or second copy of an outbox reports: it must take a new identity",
                outbox_id=outbox_id,
                host=report.host,
                accepted=report.accepted,
                known=known.highest,
            )
        return OutboxAnswer(known=known.highest, superseded=refused, resets=resets)


def superseded(known: KnownOutbox, report: OutboxReport) -> bool:
    """Whether the report comes from a run that may not number under this identity.

    A run that is not the known one must follow it directly, and know at least its numbers.
    """
    run = report.incarnation and str(report.incarnation)
    if run is None or run == known.incarnation:  # a serving of before knows no incarnations
        return False
    follows = known.incarnation in (None, report.previous and str(report.previous))
    return not follows or known.highest > report.accepted
