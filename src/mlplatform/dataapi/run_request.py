"""The record of a run that is asked for: made once for each key of a caller."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from uuid_utils import uuid7

from mlplatform.contracts.run import Run
from mlplatform.dataapi import run_tokens
from mlplatform.database import leases, pipelines, runs
from mlplatform.database.run_rows import RunSource
from mlplatform.database.sessions import Connection
from mlplatform.errors import Refused


@dataclass(frozen=True)
class WantedRun:
    """Who asks for a run, why, and with which key; an empty one is none."""

    pipeline: str
    caller: str
    reason: str
    key: str


def recorded(
    connection: Connection, wanted: WantedRun, *, job_of: Callable[[str, str], str]
) -> tuple[Run, bool]:
    """The record, and whether it was made now. `job_of` names the Job of a pipeline's run.

    Raises UnknownName, LeaseHeld, Refused for a key that came with another reason.
    """
    pipelines.find(connection, wanted.pipeline)
    known = _known(connection, wanted)
    if known is None:
        lease = leases.find(connection, wanted.pipeline)
        if lease is not None:
            raise run_tokens.taken(wanted.pipeline, lease)
        run = uuid7().hex
        source = RunSource(run, job=job_of(wanted.pipeline, run), **vars(wanted))
        made = runs.request(connection, source)
        if made is not None:
            return made, True
        known = _known(connection, wanted)  # another request with this key was faster
        assert known is not None
    if known.reason != wanted.reason:
        used = f"this key was used for run {known.id}, with another reason"
        raise Refused(used, field="Idempotency-Key", fix="take a new key for another run")
    return known, False


def _known(connection: Connection, wanted: WantedRun) -> Run | None:
    if not wanted.key:
        return None
    return runs.by_key(connection, wanted.pipeline, wanted.caller, wanted.key)
