"""The tokens of training runs: given with a lease, for one pipeline and one run, dead with it.

A token begins with its run's id, by which its lease is found; what is secret of it is compared by
digest, in constant time. Nothing is cached: a run calls a few times a minute, and a token that has
ended must not work for another second.
"""

from __future__ import annotations

import hmac

from uuid_utils import uuid7

from mlplatform.access import Caller, Role, digest, new_run_token, run_of
from mlplatform.contracts.lease import Lease, LeaseRequest
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.database import leases, runs
from mlplatform.database.leases import NewRun
from mlplatform.database.pools import PrimaryPool
from mlplatform.database.run_rows import RunSource
from mlplatform.database.sessions import Connection
from mlplatform.errors import CutShort, LeaseHeld, Unauthenticated

BESIDE_S = 600.0
"""How long a run may take beside `timeout_s` of its definition, which counts from the checkout on.

A trainer ends itself by then. What it left behind can't renew the lease for ever.
"""
_FIX = "start the training again"


class RunTokens:
    """Finds the run behind a token. Safe to share between threads."""

    def __init__(self, warehouse: PrimaryPool) -> None:
        self._warehouse = warehouse

    def authenticate(self, token: str) -> Caller:
        """The run of a token that says it is one's (`access.run_of`). Asks the database.

        Raises Unauthenticated once its lease has ended, and for any other token; Unavailable.
        """
        with self._warehouse.transaction() as connection:
            known = leases.token(connection, run_of(token) or "")
        if known is None or not hmac.compare_digest(known.token_sha256, digest(token)):
            raise ended()
        if not known.lives:
            moment = known.token_expires_at.isoformat(timespec="seconds")
            raise Unauthenticated(
                f"the lease of '{known.pipeline}' that this token came with expired at {moment}",
                field="authorization",
                fix=_FIX,
            )
        return Caller(
            name=known.caller,
            roles=(Role.RUN,),
            pipelines=(known.pipeline,),
            sha256=known.token_sha256,
            run=known.run,
        )


def begin(
    connection: Connection, caller: Caller, definition: PipelineDefinition, request: LeaseRequest
) -> Lease | None:
    """Take the lease for a run; the answer has its token. None while another run holds it.

    The run is that of the Job's record, or gets one. Raises CutShort when that has ended already.
    """
    name, holder = definition.name, request.holder
    known = runs.of_job(connection, name, request.job) if request.job else None
    if known is not None and known.final and known.started_at is None:
        raise CutShort(f"run {known.id} {known.ending} before it began", field="job")
    if known is None or known.state != "waiting":
        known = runs.of_holder(connection, name, holder)  # its answer was lost on the way
    run = uuid7().hex if known is None else known.id
    token = new_run_token(run)
    new = NewRun(run, caller.name, digest(token), definition.timeout_s + BESIDE_S)
    lease = leases.begin(connection, name, request, new)
    if lease is None:
        return None
    source = RunSource(run, name, request.job, request.reason, caller.name, holder=holder)
    runs.begin(connection, source)
    return lease.model_copy(update={"token": token})


def taken(pipeline: str, lease: Lease | None) -> LeaseHeld:
    """What a run is told while another holds the lease."""
    who = (
        f"by '{lease.holder}' until {lease.expires_at.isoformat(timespec='seconds')}"
        if lease
        else "by another run"
    )
    return LeaseHeld(
        f"'{pipeline}' is being trained {who}",
        field="pipeline",
        fix="wait for that run, or until its lease ends",
    )


def ended() -> Unauthenticated:
    """Who holds no token that lives learns nothing about leases: it says the same of any other."""
    return Unauthenticated(
        "no run has this token: the lease that a run's token came with was given back, or another"
        " run took it over",
        field="authorization",
        fix=_FIX,
    )
