"""Training runs: asked for, shown, reported, cancelled. Each has a record before it is started."""

from __future__ import annotations

from collections.abc import Sequence

from mlplatform.access import Caller
from mlplatform.cluster.interface import Cluster
from mlplatform.contracts.run import Run, RunRequest, RunState
from mlplatform.contracts.run_report import RunReport
from mlplatform.dataapi import rights, run_tokens
from mlplatform.dataapi.audit import AuditLog
from mlplatform.dataapi.run_changes import RunChanges
from mlplatform.dataapi.run_request import WantedRun, recorded
from mlplatform.dataapi.run_submission import submit
from mlplatform.database import leases, runs
from mlplatform.database.pools import PrimaryPool
from mlplatform.errors import Forbidden, Refused, UnknownName


class Runs:
    """Handler of runs. Safe to share between threads, but for `changes`, which one loop awaits."""

    def __init__(self, warehouse: PrimaryPool, audit: AuditLog, cluster: Cluster) -> None:
        self._warehouse = warehouse
        self._audit = audit
        self._cluster = cluster
        self.changes = RunChanges(warehouse)

    def start(
        self, caller: Caller, pipeline: str, request: RunRequest, *, key: str
    ) -> tuple[Run, bool]:
        """Start a training; its record, and whether this call has made it.

        The same caller's key gives the same run, which is started once: by this call, if the one
        that made its record was cut off before. Raises LeaseHeld while another run holds the lease,
        Refused for a key that came with another reason, Unavailable when the cluster is away.
        """
        roles = rights.START_RUN.roles
        with self._audit.access(caller, "run", pipeline, roles=roles, pipeline=pipeline) as entry:
            entry.detail = {"reason": request.reason} | ({"key": key} if key else {})
            with self._warehouse.transaction() as connection:
                wanted = WantedRun(pipeline, caller.name, request.reason, key)
                run, made = recorded(connection, wanted, job_of=self._cluster.job_of)
            entry.detail |= {"run": run.id, "job": run.job}
            if run.submitted_at is None and not run.final:
                run = submit(self._warehouse, self._cluster, run)
        return run, made

    def some(
        self, caller: Caller, pipeline: str, states: Sequence[RunState], *, limit: int
    ) -> list[Run]:
        """Runs in those states, or in any; latest first."""
        with (
            self._audit.viewing(caller, pipeline, roles=rights.VIEW_RUNS.roles, pipeline=pipeline),
            self._warehouse.transaction() as connection,
        ):
            return runs.some(connection, pipeline, states or None, limit=limit)

    def find(self, caller: Caller, pipeline: str, run: str) -> Run:
        """A run by its id, or the last one of a Job. Raises UnknownName."""
        with (
            self._audit.viewing(caller, pipeline, roles=rights.VIEW_RUNS.roles, pipeline=pipeline),
            self._warehouse.transaction() as connection,
        ):
            return _known(runs.find(connection, pipeline, run), pipeline, run)

    def report(self, caller: Caller, pipeline: str, run: str, reported: RunReport) -> Run:
        """Keep what a run reports of itself; one that is out of date changes nothing."""
        with (
            self._audit.viewing(caller, pipeline, roles=rights.REPORT_RUN.roles, pipeline=pipeline),
            self._warehouse.transaction() as connection,
        ):
            if caller.run != run:
                raise Forbidden("a run reports of itself only", field="run")
            if not leases.hold(connection, run):
                raise run_tokens.ended()
            kept = runs.report(connection, run, reported) or runs.find(connection, pipeline, run)
            return _known(kept, pipeline, run)

    def cancel(self, caller: Caller, pipeline: str, run: str) -> Run:
        """Have a run end in an orderly way. Raises Refused when it has ended.

        One that has not begun ends at once, and its trainer finds that when it asks for the lease.
        Another hears of it when it renews its lease, ends by itself, and reports that.
        """
        roles = rights.CANCEL_RUN.roles
        with self._audit.change(caller, "cancel", pipeline, roles=roles, pipeline=pipeline) as (
            entry,
            connection,
        ):
            found = _known(runs.find(connection, pipeline, run), pipeline, run)
            entry.detail = {"run": found.id}
            cancelled = runs.cancel(connection, found.id, by=caller.name)
            if cancelled is None:
                raise Refused(f"run {found.id} {found.ending}", field="run")
            if cancelled.state == "waiting":
                cancelled = runs.end(connection, found.id, "cancelled") or cancelled
            return cancelled


def _known(run: Run | None, pipeline: str, name: str) -> Run:
    if run is None:
        raise UnknownName(
            f"'{pipeline}' has no run '{name}'",
            field="run",
            fix=f"`mlplatform runs list {pipeline}` shows them",
        )
    return run
