"""What the data API needs of a cluster.

Two implementations: `cluster.local` and `cluster.kubernetes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from mlplatform.contracts.run import Run


class Cluster(Protocol):
    """Starts training runs. Safe to share between threads."""

    def start_training(self, pipeline: str, *, reason: str) -> str:
        """Start one run and return its name; does not wait for it.

        Raises UnknownName, Refused or Unavailable.
        """
        ...

    def runs(self, pipeline: str) -> Sequence[Run]:
        """The runs that the cluster still knows, latest first. Raises Unavailable."""
        ...

    def remove_logs(self, before: datetime, *, remove: bool) -> tuple[int, int]:
        """Remove (or count) logs of runs last written before a moment: files and their bytes.

        Nothing where the cluster keeps the logs itself.
        """
        ...

    def close(self) -> None:
        """Close connections and children's handles; trainings go on where the cluster allows it."""
        ...
