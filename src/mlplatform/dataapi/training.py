"""Trainings: the lease that allows one at a time per pipeline, and the runs on the cluster."""

from __future__ import annotations

from collections.abc import Sequence

from mlplatform.access import Caller
from mlplatform.cluster.interface import Cluster
from mlplatform.contracts.lease import Lease, LeaseRenewal, LeaseRequest
from mlplatform.contracts.run import Run
from mlplatform.dataapi import rights, run_tokens
from mlplatform.dataapi.audit import AuditLog
from mlplatform.database import leases, pipelines
from mlplatform.database.pools import PrimaryPool
from mlplatform.errors import InvalidInput, Refused


class Training:
    """Handler of leases and runs. Safe to share between threads."""

    def __init__(self, warehouse: PrimaryPool, audit: AuditLog, cluster: Cluster) -> None:
        self._warehouse = warehouse
        self._audit = audit
        self._cluster = cluster

    def take_lease(self, caller: Caller, pipeline: str, request: LeaseRequest) -> Lease:
        """Take the lease of a pipeline for `ttl_s` seconds; the answer has the run's token.

        Raises Refused while another holder's lasts. The same holder gets a new run and token.
        """
        with self._audit.change(
            caller, "lease", pipeline, roles=rights.LEASE.roles, pipeline=pipeline
        ) as (entry, connection):
            entry.detail = {"holder": request.holder}
            definition = pipelines.find(connection, pipeline).parsed()
            lease = run_tokens.begin(connection, caller, definition, request)
            if lease is None:
                raise _taken(pipeline, leases.find(connection, pipeline))
            entry.detail["run"] = lease.run
            return lease

    def renew_lease(self, caller: Caller, pipeline: str, request: LeaseRenewal) -> Lease:
        """Renew a run's lease, and its token, for `ttl_s` seconds from now."""
        with (
            self._audit.viewing(caller, pipeline, roles=rights.RENEW.roles, pipeline=pipeline),
            self._warehouse.transaction() as connection,
        ):
            if not caller.run:
                raise InvalidInput(
                    "a lease is renewed with the token of its run", field="authorization"
                )
            lease = leases.renew(connection, pipeline, caller.run, ttl_s=request.ttl_s)
            if lease is None:
                raise run_tokens.ended()
            return lease

    def release_lease(self, caller: Caller, pipeline: str, holder: str | None) -> bool:
        """Give a lease back: a run its own, others that of `holder`. False when there is none."""
        with self._audit.change(
            caller, "release", pipeline, roles=rights.RELEASE.roles, pipeline=pipeline
        ) as (entry, connection):
            if caller.run:
                return leases.end(connection, pipeline, caller.run)
            if holder is None:
                raise InvalidInput("whose lease?", field="holder", fix="give the holder")
            entry.detail = {"holder": holder}
            return leases.release(connection, pipeline, holder)

    def start(self, caller: Caller, pipeline: str, *, reason: str) -> str:
        """Start a training on the cluster and return the run's name.

        Raises Refused while one holds the lease.
        """
        roles = rights.START_RUN.roles
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
        with self._audit.viewing(caller, pipeline, roles=rights.VIEW_RUNS.roles, pipeline=pipeline):
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
