"""The quarantine: what broke its contract, and asking etl to try it again."""

from __future__ import annotations

from collections.abc import Sequence

from mlplatform.access import Caller
from mlplatform.contracts.quarantine import Quarantined, Redriven, RedriveRequest, Skipped
from mlplatform.dataapi import rights
from mlplatform.dataapi.audit import AuditLog
from mlplatform.database import quarantine
from mlplatform.database.pools import PrimaryPool


class Quarantine:
    """Handler of the quarantine. Safe to share between threads."""

    def __init__(self, warehouse: PrimaryPool, audit: AuditLog) -> None:
        self._warehouse = warehouse
        self._audit = audit

    def unresolved(
        self, caller: Caller, *, pipeline: str | None, limit: int
    ) -> Sequence[Quarantined]:
        """What waits for a person, newest first.

        Without a pipeline, of all that the caller may touch.
        """
        subject = f"{pipeline}.quarantine" if pipeline else "quarantine"
        with self._audit.access(
            caller,
            "read",
            subject,
            roles=rights.READ_QUARANTINE.roles,
            pipeline=pipeline,
        ) as entry:
            mine = None if "*" in caller.pipelines else list(caller.pipelines)
            with self._warehouse.transaction() as connection:
                found = quarantine.unresolved(
                    connection, pipelines=[pipeline] if pipeline else mine, limit=limit
                )
            entry.rows = len(found)
        return found

    def redrive(self, caller: Caller, request: RedriveRequest) -> Redriven:
        """Ask etl to try rows again: all that can be, or those named.

        Says which of the named can't be.
        """
        pipeline, ids = request.pipeline, request.ids
        subject = f"{pipeline}.quarantine"
        with self._audit.change(
            caller, "redrive", subject, roles=rights.REDRIVE.roles, pipeline=pipeline
        ) as (entry, connection):
            redriven = quarantine.redrive(connection, pipeline, ids)
            others = sorted(set(ids or ()) - set(redriven))
            skipped = quarantine.why_not(connection, pipeline, others)
            entry.rows = len(redriven)
        return Redriven(
            redriven=len(redriven),
            skipped=[Skipped(id=number, reason=reason) for number, reason in skipped.items()],
        )
