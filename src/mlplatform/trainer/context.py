"""What the steps of one run share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mlplatform.client.dataapi import DataApi
from mlplatform.engine.limits import TrialLimits
from mlplatform.engine.trials import Trials
from mlplatform.registry.publish import MlflowRun
from mlplatform.registry.store import ModelStore
from mlplatform.source.checkout import Checkout
from mlplatform.trainer.datasets import DatasetReader
from mlplatform.trainer.ray.access import RayAccess
from mlplatform.trainer.reporter import RunReporter
from mlplatform.trainer.timer import StepTimer


@dataclass(frozen=True)
class RunContext:
    """Connections and plain values of one run; see `mlplatform.trainer.main` for how it is made."""

    api: DataApi
    store: ModelStore
    record: MlflowRun
    timer: StepTimer
    reporter: RunReporter  # what becomes known is noted there
    checkout: Callable[[str], Checkout]  # the pipelines' files at a commit
    started: datetime  # rows stored later are not waited for
    folder: Path  # scratch space of this run
    wait_s: float  # how long etl and lagging standbys are waited for
    grace_s: float  # how long the orderly end of a run may take
    jobs: int  # folds of one cross-validation that are fitted at once
    trusted: tuple[str, ...]  # types that a skops model may hold
    trials: Trials  # how serving tries a model before it loads it
    limits: TrialLimits  # of one model in a child process
    image: str
    ray: RayAccess  # of pipelines that are trained on a Ray cluster

    @property
    def datasets(self) -> DatasetReader:
        """Reads datasets, and waits for a standby as long as this run may wait."""
        return DatasetReader(self.api, self.wait_s)
