"""A Job or process of a training, as the cluster sees it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

JobState = Literal["waiting", "running", "succeeded", "failed"]


@dataclass(frozen=True)
class ClusterJob:
    """`failure` is what a failed one said last, empty where only its log knows."""

    name: str
    pipeline: str
    state: JobState
    reason: str  # empty for scheduled ones
    started_at: datetime | None
    finished_at: datetime | None
    failure: str = ""

    @property
    def lives(self) -> bool:
        """Whether it waits or runs."""
        return self.state in ("waiting", "running")
