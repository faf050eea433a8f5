"""Records of training runs. What may follow what is decided in `dataapi`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from mlplatform.contracts.exit_code import ExitCode
from mlplatform.contracts.run import Run, RunFailure, RunState
from mlplatform.contracts.run_report import RunReport
from mlplatform.database import queries
from mlplatform.database.removed_amount import Amount
from mlplatform.database.run_rows import OpenRun, RunSource
from mlplatform.database.sessions import Connection

SQL = queries.load("runs")
CODES = {
    "succeeded": ExitCode.PROPOSED,
    "lost": ExitCode.AWAY,
    "cancelled": ExitCode.CUT_SHORT,
}
"""Exit codes of runs that are ended from outside; of others theirs is not known."""


def request(connection: Connection, source: RunSource) -> Run | None:
    """Record a run that is asked for; None when this caller's key is known."""
    return _one(connection, "request", vars(source))


def by_key(connection: Connection, pipeline: str, caller: str, key: str) -> Run | None:
    """The run that a caller has asked for with a key."""
    return _one(connection, "by_key", {"pipeline": pipeline, "caller": caller, "key": key})


def submitted(connection: Connection, run: str) -> None:
    """The cluster has taken a run."""
    connection.execute(SQL["submitted"], {"id": run})


def of_job(connection: Connection, pipeline: str, job: str) -> Run | None:
    """The last run of a Job, which no other transaction takes meanwhile."""
    return _one(connection, "of_job", {"pipeline": pipeline, "job": job})


def of_holder(connection: Connection, pipeline: str, holder: str) -> Run | None:
    """The run that a holder of the lease has begun, which no other transaction takes meanwhile."""
    return _one(connection, "of_holder", {"pipeline": pipeline, "holder": holder})


def begin(connection: Connection, source: RunSource) -> None:
    """A run has taken the lease; one that nobody asked for is recorded."""
    connection.execute(SQL["begin"], vars(source))


def report(connection: Connection, run: str, reported: RunReport) -> Run | None:
    """Keep what a run reports of itself; None when that is out of date."""
    values = reported.model_dump(mode="json", exclude={"steps", "verdicts", "end"})
    values |= {
        name: None if given is None else Jsonb([each.model_dump(mode="json") for each in given])
        for name, given in (("steps", reported.steps), ("verdicts", reported.verdicts))
    }
    end = reported.end
    values |= {"id": run, "state": end and end.state, "exit_code": end and end.exit_code}
    return _one(connection, "report", values | {"failure": _json(end.failure if end else None)})


def end(
    connection: Connection,
    run: str,
    state: RunState,
    *,
    failure: RunFailure | None = None,
    code: ExitCode | None = None,
    keep_key: bool = True,
) -> Run | None:
    """End a run from outside; None when it has ended. Its exit code is `code`, or the state's."""
    code = CODES.get(state, ExitCode.UNEXPECTED) if code is None else code
    values = {"id": run, "state": state, "exit_code": code.value, "failure": _json(failure)}
    values |= {"keep_key": keep_key, "cancelled": ExitCode.CUT_SHORT.value}
    return _one(connection, "end", values)


def refused(connection: Connection, source: RunSource, failure: RunFailure) -> None:
    """Record a run that found the lease held."""
    more = {"exit_code": ExitCode.LEASE_HELD.value, "failure": _json(failure)}
    connection.execute(SQL["refused"], vars(source) | more)


def cancel(connection: Connection, run: str, *, by: str) -> Run | None:
    """Note that a run is to end; None when it has ended."""
    return _one(connection, "cancel", {"id": run, "by": by})


def find(connection: Connection, pipeline: str, run: str) -> Run | None:
    """A run by its id, or the last one of a Job."""
    return _one(connection, "find", {"pipeline": pipeline, "run": run})


def some(
    connection: Connection, pipeline: str, states: Sequence[RunState] | None, *, limit: int
) -> list[Run]:
    """Runs of a pipeline, of all states (None) or some, latest first."""
    values = {"pipeline": pipeline, "states": states and list(states), "limit": limit}
    with connection.cursor(row_factory=class_row(Run)) as cursor:
        return cursor.execute(SQL["list"], values).fetchall()


def changes(connection: Connection, ids: Sequence[str]) -> dict[str, tuple[int, bool]]:
    """Run -> how often it has changed, and whether it has ended."""
    found = connection.execute(SQL["changes"], {"ids": list(ids)}).fetchall()
    return {run: (count, final) for run, count, final in found}


def open_runs(connection: Connection) -> list[OpenRun]:
    """All runs that have not ended, the oldest first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(SQL["open"]).fetchall()
    return [OpenRun(Run.model_validate(row), row["holds"], row["waited_s"]) for row in rows]


def remove(
    connection: Connection, pipeline: str, before: datetime, *, most: int, remove: bool
) -> Amount:
    """Remove at most so many records that ended before a moment, or count all."""
    values = {"pipeline": pipeline, "before": before, "most": most, "remove": remove}
    row = connection.execute(SQL["remove"], values).fetchone()
    assert row is not None
    return Amount(items=row[0], size=row[1])


def _one(connection: Connection, name: str, values: dict[str, Any]) -> Run | None:
    with connection.cursor(row_factory=class_row(Run)) as cursor:
        return cursor.execute(SQL[name], values).fetchone()


def _json(failure: RunFailure | None) -> Jsonb | None:
    return None if failure is None else Jsonb(failure.model_dump(mode="json"))
