"""Trainings: the lease that allows one at a time per pipeline."""

from __future__ import annotations

from uuid_utils import uuid7

from mlplatform.access import Caller
from mlplatform.contracts.exit_code import ExitCode
from mlplatform.contracts.lease import Lease, LeaseRenewal, LeaseRequest
from mlplatform.dataapi import rights, run_tokens
from mlplatform.dataapi.audit import AuditLog
from mlplatform.dataapi.run_submission import failure_of
from mlplatform.database import leases, pipelines, runs
from mlplatform.database.pools import PrimaryPool
from mlplatform.database.run_rows import RunSource
from mlplatform.errors import InvalidInput, LeaseHeld


class Training:
    """Handler of leases. Safe to share between threads."""

    def __init__(self, warehouse: PrimaryPool, audit: AuditLog) -> None:
        self._warehouse = warehouse
        self._audit = audit

    def take_lease(self, caller: Caller, pipeline: str, request: LeaseRequest) -> Lease:
        """Take the lease of a pipeline for `ttl_s` seconds; the answer has the run's token.

        Raises LeaseHeld while another holder's lasts, CutShort for a Job whose run has ended. The
        same holder gets the same run and a new token.
        """
        try:
            with self._audit.change(
                caller, "lease", pipeline, roles=rights.LEASE.roles, pipeline=pipeline
            ) as (entry, connection):
                entry.detail = {"holder": request.holder}
                definition = pipelines.find(connection, pipeline).parsed()
                lease = run_tokens.begin(connection, caller, definition, request)
                if lease is None:
                    raise run_tokens.taken(pipeline, leases.find(connection, pipeline))
                entry.detail["run"] = lease.run
                return lease
        except LeaseHeld:
            self._note_refused(caller, pipeline, request)
            raise

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

    def _note_refused(self, caller: Caller, pipeline: str, request: LeaseRequest) -> None:
        """The record of a Job that found the lease held: it ends with that."""
        if not request.job:
            return
        with self._warehouse.transaction() as connection:
            failure = failure_of(run_tokens.taken(pipeline, leases.find(connection, pipeline)))
            known = runs.of_job(connection, pipeline, request.job)
            if known is not None and known.state == "running":
                return  # an earlier pod of this Job holds it: that one's record goes on
            if known is not None and not known.final:
                code = ExitCode.LEASE_HELD
                runs.end(connection, known.id, "failed", failure=failure, code=code)
                return
            run, reason = uuid7().hex, request.reason
            source = RunSource(run, pipeline, request.job, reason, caller.name)
            runs.refused(connection, source, failure)
