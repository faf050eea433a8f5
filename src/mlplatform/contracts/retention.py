"""Retention: what a run of it works through, legal holds, and what tables take."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from mlplatform.contracts.frozen import Frozen, FrozenAnswer
from mlplatform.contracts.retention_days import Kind
from mlplatform.contracts.text import Text


class RetentionStep(FrozenAnswer):
    """One kind of one pipeline (None: of all of them): what is older than `before` may go."""

    kind: Kind
    pipeline: str | None
    days: int
    before: datetime
    held: str = Field(default="", description="Why nothing of it is removed; empty: it is.")


class Hold(FrozenAnswer):
    """A legal hold: nothing of the pipeline is removed while it stands."""

    pipeline: str
    why: str
    by: str
    at: datetime


class RetentionPlan(FrozenAnswer):
    """What a run works through, in this order, and the holds that stand."""

    steps: list[RetentionStep]
    holds: list[Hold]


class TableSize(FrozenAnswer):
    """What a table takes on each server, its partitions together."""

    name: str
    rows: int = Field(description="About, as of the last time that PostgreSQL looked.")
    size: int = Field(description="Bytes without indexes.")
    indexes: int = Field(description="Bytes of its indexes.")


class HoldRequest(Frozen):
    """Put a pipeline under a legal hold, or end it."""

    why: Text
