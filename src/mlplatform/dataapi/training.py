"""Trainings: the lease that allows one at a time per pipeline, and the runs on the cluster."""

from __future__ import annotations

from collections.abc import Sequence

from mlplatform.access import Caller, Role
from mlplatform.cluster.interface import Cluster
from mlplatform.contracts.lease import Lease, LeaseRequest
from mlplatform.contracts.run import Run
from mlplatform.dataapi.audit import AuditLog
from mlplatform.dataapi.pipelines import VIEWERS
from mlplatform.database import leases, pipelines
from mlplatform.database.pools import PrimaryPool
from mlplatform.errors import Refused


class Training:
    """Handler of leases and runs. Safe to share between threads."""

    def __init__(self, warehouse: PrimaryPool, audit: AuditLog, cluster: Cluster) -> None:
        self._warehouse = warehouse
        self._audit = audit
        self._cluster = cluster

    def take_lease(self, caller: Caller, pipeline: str, request: LeaseRequest) -> Lease:
        """Take or renew the lease of a pipeline for `ttl_s` seconds.

        Raises Refused while another holder's lasts.
        """
        with (
            self._audit.viewing(caller, pipeline, roles=[Role.TRAINER], pipeline=pipeline),
            self._warehouse.transaction() as connection,
        ):
            pipelines.find(connection, pipeline)
            lease = leases.take(connection, pipeline, request)
            if lease is None:
                raise _taken(pipeline, leases.find(connection, pipeline))
            return lease

    def release_lease(self, caller: Caller, pipeline: str, holder: str) -> bool:
        """Give a lease back. False when the holder has none (any more)."""
        with (
            self._audit.viewing(caller, pipeline, roles=[Role.TRAINER], pipeline=pipeline),
            self._warehouse.transaction() as connection,
        ):
            return leases.release(connection, pipeline, holder)

    def start(self, caller: Caller, pipeline: str, *, reason: str) -> str:
        """Start a training on the cluster and return the run's name.

        Raises Refused while one holds the lease.
        """
        roles = [Role.TRAINER, Role.APPROVER]
        with self._audit.access(caller, "run", pipeline, roles=roles, pipeline=pipeline) as entry:
            entry.detail = {"reason": reason}
            with self._warehouse.transaction() as connection:
                pipelines.find(connection, pipeline)
                lease = leases.find(connection, pipeline)
            if lease is not None:
                raise _taken(pipeline, lease)
            run = self._cluster.start_training(
                pipeline, reason=f"{reason} (requested by {caller.name})"
            )
            entry.detail["run"] = run
        return run

    def runs(self, caller: Caller, pipeline: str) -> Sequence[Run]:
        """The runs that the cluster still knows, latest first."""
        with self._audit.viewing(caller, pipeline, roles=VIEWERS, pipeline=pipeline):
            return self._cluster.runs(pipeline)


def _taken(pipeline: str, lease: Lease | None) -> Refused:
    who = (
        f"by '{lease.holder}' until {lease.expires_at.isoformat(timespec='seconds')}"
        if lease
        else "by another run"
    )
    return Refused(
        f"'{pipeline}' is being trained {who}",
        field="pipeline",
        fix="wait for that run, or until its lease ends",
    )
