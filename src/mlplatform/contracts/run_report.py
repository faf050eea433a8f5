"""What a training run reports of itself."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlplatform.contracts.frozen import Frozen
from mlplatform.contracts.run import Known, RunFailure, RunStep, RunVerdict

MOST_REPORTS = 2**53 - 1
"""The number of a report after which no other counts."""
MOST_VERDICTS = 1_000


class RunEnd(Frozen):
    """How a run ended. `exit_code` is its process's."""

    state: Literal["succeeded", "failed", "cancelled"]
    exit_code: int = Field(ge=0, le=255)
    failure: RunFailure | None = None


class RunReport(Frozen):
    """All that a run knows of itself by now.

    Reports are numbered upwards; one with a lower number than the last changes nothing. So one that
    is lost is made up for by the next. What is empty stays as it was.
    """

    number: int = Field(ge=1, le=MOST_REPORTS)
    steps: list[RunStep] | None = Field(default=None, max_length=200)
    verdicts: list[RunVerdict] | None = Field(default=None, max_length=MOST_VERDICTS)
    version: Known | None = None
    outcome: Known | None = None
    commit: Known | None = None
    gate_digest: Known | None = None
    receipt: Known | None = None
    mlflow_run: Known | None = None
    end: RunEnd | None = None
