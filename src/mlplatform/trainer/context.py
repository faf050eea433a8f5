"""The collaborators of one run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlplatform.client.dataapi import DataApi
from mlplatform.registry.publish import MlflowRun, Publisher
from mlplatform.registry.store import ModelStore
from mlplatform.settings import Settings
from mlplatform.trainer.steps.extract import Extractor
from mlplatform.trainer.timer import StepTimer


@dataclass(frozen=True)
class RunContext:
    """Everything that the steps of one run share."""

    settings: Settings
    api: DataApi
    store: ModelStore
    publisher: Publisher
    run: MlflowRun
    journal: StepTimer
    folder: Path  # scratch of this run

    @property
    def extractor(self) -> Extractor:
        """Reads datasets with this run's patience."""
        return Extractor(self.api, self.settings.trainer.wait_s)
