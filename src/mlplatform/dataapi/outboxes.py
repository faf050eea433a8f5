"""What outboxes report of themselves, and which of two copies owns an identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mlplatform.access import Caller
from mlplatform.contracts.outbox_report import OutboxAnswer, OutboxReport
from mlplatform.dataapi import rights
from mlplatform.dataapi.audit import AuditLog
from mlplatform.database import outboxes, queue_offsets
from mlplatform.database.outboxes import KnownOutbox
from mlplatform.database.pools import PrimaryPool
from mlplatform.database.sessions import Connection
from mlplatform.telemetry import logger

_log = logger("dataapi")


class Outboxes:
    """Handler of the outboxes' heartbeats. Safe to share between threads."""

    def __init__(
        self,
        raw: PrimaryPool,
        audit: AuditLog,
        *,
        more_raw: Mapping[str, PrimaryPool] | None = None,
    ) -> None:
        """Reports lie on the first raw server; the numbers of an outbox lie on all."""
        self._raw = raw
        self._more_raw = more_raw or {}
        self._audit = audit

    def report(self, caller: Caller, outbox_id: str, report: OutboxReport) -> OutboxAnswer:
        """Keep what an outbox says of itself, unless another run owns its identity."""
        with (
            self._audit.viewing(
                caller, "outboxes", roles=rights.REPORT_OUTBOX.roles, pipeline=None
            ),
            self._raw.transaction() as connection,
        ):
            known = self._known(connection, outbox_id, report)
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

    def _known(self, raw: Connection, outbox_id: str, report: OutboxReport) -> KnownOutbox:
        """What is known of an outbox; all its numbers only where it matters, of a new run."""
        known = outboxes.known(raw, outbox_id)
        if known.incarnation in (None, report.incarnation and str(report.incarnation)):
            return known
        return replace(known, highest=max(known.highest, *self._elsewhere(outbox_id)))

    def _elsewhere(self, outbox_id: str) -> list[int]:
        """The highest number on each further server. Raises Unavailable."""
        found = [0]
        for pool in self._more_raw.values():
            with pool.transaction() as raw:
                found.append(outboxes.highest(raw, outbox_id))
        return found


def superseded(known: KnownOutbox, report: OutboxReport) -> bool:
    """Whether the report comes from a run that may not number under this identity.

    A run that is not the known one must follow it directly, and know at least its numbers.
    """
    run = report.incarnation and str(report.incarnation)
    if run is None or run == known.incarnation:  # a serving of before knows no incarnations
        return False
    follows = known.incarnation in (None, report.previous and str(report.previous))
    return not follows or known.highest > report.accepted
