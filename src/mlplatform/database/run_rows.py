"""Rows of the table of runs that are more, or less, than a run's record."""

from __future__ import annotations

from dataclasses import dataclass

from mlplatform.contracts.run import Run


@dataclass(frozen=True)
class RunSource:
    """Who wants a run, why, and by which Job or process it is known; all but `id` may be empty."""

    id: str
    pipeline: str
    job: str
    reason: str
    caller: str
    key: str = ""
    holder: str = ""


@dataclass(frozen=True)
class OpenRun:
    """A run that has not ended.

    `waited_s` counts from when the cluster has taken it, or before that from when it was asked for.
    """

    run: Run
    holds: bool
    waited_s: float
