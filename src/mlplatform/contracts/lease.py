"""Leases: one training per pipeline at a time, whoever started it."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from mlplatform.contracts.frozen import Frozen, FrozenAnswer
from mlplatform.contracts.text import Word


class LeaseRequest(Frozen):
    """Who wants to train, and for how many seconds to believe that."""

    holder: Word = Field(examples=["mlplatform-trainer-diabetes-7f3a"])
    ttl_s: float = Field(gt=0, le=86_400)


class Lease(FrozenAnswer):
    """Who trains a pipeline, and until when that is believed."""

    pipeline: str
    holder: str
    expires_at: datetime


class LeaseReleased(FrozenAnswer):
    """Whether there was a lease to give back."""

    released: bool
