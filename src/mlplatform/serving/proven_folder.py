"""A model folder whose bytes are proven, and of which nothing has run in this process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlplatform.contracts.model import Signature
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.contracts.promotion import ModelVersion
from mlplatform.engine.trials import RunningTrial, Trials


@dataclass(frozen=True)
class ProvenFolder:
    """The folder, what stands in it, and `source`, the bytes of features.py."""

    version: ModelVersion
    folder: Path
    definition: PipelineDefinition
    signature: Signature
    source: bytes | None

    def begin_trial(self, trials: Trials) -> RunningTrial:
        """Try it in a child process."""
        name = f"version {self.version.version} of '{self.version.pipeline}'"
        return trials.begin(self.folder, self.source, name=name)
