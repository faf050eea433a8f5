"""Leases: one training per pipeline at a time, whoever started it."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from mlplatform.contracts.frozen import Frozen, FrozenAnswer
from mlplatform.contracts.run import Job
from mlplatform.contracts.text import Word


class LeaseRequest(Frozen):
    """Who wants to train, and for how many seconds to believe that."""

    holder: Word = Field(examples=["mlplatform-trainer-diabetes-7f3a"])
    ttl_s: float = Field(gt=0, le=86_400)
    job: Job = Field(default="", description="Name of the run's Job or process, if it has one.")
    reason: str = Field(
        default="",
        max_length=2_000,
        pattern=r"^[^\x00]*$",
        description="Why the run was started; of one that nobody asked the data API for.",
    )


class LeaseRenewal(Frozen):
    """For how many more seconds a run holds its lease."""

    ttl_s: float = Field(gt=0, le=86_400)


class Lease(FrozenAnswer):
    """Who trains a pipeline, and until when that is believed."""

    pipeline: str
    holder: str
    run: str = Field(default="", description="The run that the lease was taken for.")
    expires_at: datetime
    cancelled_by: str = Field(
        default="", description="Who wants the run to end; empty: nobody. Told by renewals."
    )
    token: str = Field(
        default="",
        repr=False,
        description="For this pipeline and run alone, until the lease ends. Only in the answer to"
        " the call that took the lease; empty in renewals.",
    )


class LeaseReleased(FrozenAnswer):
    """Whether there was a lease to give back."""

    released: bool
