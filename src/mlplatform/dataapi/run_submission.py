"""Hands a recorded run to the cluster, once: whoever does it, and however often."""

from __future__ import annotations

from mlplatform.cluster.interface import Cluster
from mlplatform.contracts.exit_code import exit_code
from mlplatform.contracts.run import Run, RunFailure
from mlplatform.database import runs
from mlplatform.database.pools import PrimaryPool
from mlplatform.errors import InvalidInput, PlatformError, Refused


def submit(warehouse: PrimaryPool, cluster: Cluster, run: Run) -> Run:
    """Start a run under the name that its record has; the record afterwards.

    The cluster does not start a name again, so that it does not matter whether an earlier try has
    reached it. Raises Refused or UnknownName for one that can't be started: it has failed, and its
    key is free again. Unavailable when it may have been started.
    """
    try:
        cluster.start_training(
            run.pipeline, run.job, reason=f"{run.reason} (requested by {run.caller})"
        )
    except (Refused, InvalidInput) as error:
        with warehouse.transaction() as connection:
            failure, code = failure_of(error), exit_code(error)
            runs.end(connection, run.id, "failed", failure=failure, code=code, keep_key=False)
        raise
    with warehouse.transaction() as connection:
        runs.submitted(connection, run.id)
        return runs.find(connection, run.pipeline, run.id) or run


def failure_of(error: PlatformError) -> RunFailure:
    """An error as a record keeps it."""
    return RunFailure(
        kind=type(error).__name__,
        message=error.message[:2_000],
        field=error.field[:200],
        fix=error.fix[:2_000],
    )
