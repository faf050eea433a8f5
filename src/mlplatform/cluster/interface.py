"""What the data API needs of a cluster.

Two implementations: `cluster.local` and `cluster.kubernetes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from mlplatform.cluster.job import ClusterJob


class Cluster(Protocol):
    """Starts training runs. Safe to share between threads."""

    def job_of(self, pipeline: str, run: str) -> str:
        """The name of the Job that the run of that id gets."""
        ...

    def start_training(self, pipeline: str, job: str, *, reason: str) -> None:
        """Start one run under that name; does not wait for it.

        A name that was started is not started again. Raises UnknownName or Refused when it does
        not start, Unavailable when that is unknown.
        """
        ...

    def jobs(self, pipeline: str) -> Sequence[ClusterJob]:
        """What the cluster still knows, latest first. Raises Unavailable."""
        ...

    def remove_logs(self, before: datetime, *, remove: bool) -> tuple[int, int]:
        """Remove (or count) logs of runs last written before a moment: files and their bytes.

        Nothing where the cluster keeps the logs itself.
        """
        ...

    def close(self) -> None:
        """Close connections and children's handles; trainings go on where the cluster allows it."""
        ...
