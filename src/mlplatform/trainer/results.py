"""What the steps of a run hand on to later ones, in the order of the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlplatform.contracts.columns import Columns
from mlplatform.contracts.dataset import Receipt
from mlplatform.contracts.model import Signature
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.engine.interface import Engine
from mlplatform.features.code import FeatureSet
from mlplatform.source.pipeline_files import PipelineFiles
from mlplatform.trainer.labelled_rows import LabelledRows
from mlplatform.trainer.metrics import Classes
from mlplatform.trainer.parity import Parity
from mlplatform.trainer.seen_rows import SeenRows, count


@dataclass(frozen=True)
class Pinned:
    """One applied pipeline at one commit."""

    definition: PipelineDefinition
    commit: str
    digest: str  # of the features
    files: PipelineFiles
    features: FeatureSet


@dataclass(frozen=True)
class TrainingData:
    """All labelled rows of a run, and the proof of where they were read."""

    rows: LabelledRows
    receipt: Receipt


@dataclass(frozen=True)
class SplitRows:
    """The rows that a model is fitted on, and those that it is judged on."""

    train: LabelledRows
    test: LabelledRows


@dataclass(frozen=True)
class Parts(SplitRows):
    """The rows of a run, and where they were read."""

    columns: Columns  # features and raw columns by which gates slice the test rows
    receipt: Receipt

    @property
    def sizes(self) -> dict[str, int]:
        """How many rows each part has."""
        return {"train": len(self.train), "test": len(self.test)}

    @cached_property
    def seen(self) -> SeenRows:
        """How many of the test rows equal a training row."""
        return count(self.train, self.test)


@dataclass(frozen=True)
class Trial:
    """One combination of parameters: its score per fold, or why it failed."""

    parameters: Mapping[str, Any]
    scores: tuple[float, ...] = ()
    seconds: float = 0.0
    failure: str = ""
    rows: int = 0  # training rows that it was tried on

    @property
    def mean(self) -> float:
        """Mean score over the folds; NaN when it failed."""
        return float(np.mean(self.scores)) if self.scores else float("nan")


@dataclass(frozen=True)
class Search:
    """All trials in the order they ran.

    `planned` is more than `len(trials)` when the time was up.
    """

    trials: tuple[Trial, ...]
    planned: int
    best: Mapping[str, Any]


@dataclass(frozen=True)
class TrainedModel:
    """A model folder, loaded as serving will load it."""

    folder: Path
    signature: Signature
    engine: Engine
    manifest_sha256: str
    parity: Parity
    tried: tuple[str, ...] = ()  # exports that were not taken, and why


@dataclass(frozen=True)
class Evaluation:
    """What a model predicts for some rows, and how good that is."""

    predictions: Columns
    classes: Classes | None  # None for a regression
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Champion:
    """The version that serves now, evaluated on the test rows.

    `evaluation` is None when it can't be compared, and `why` says so. With another features digest
    some test rows may lack features of the old one: `positions` are the test rows that were
    evaluated, ascending.
    """

    version: str | None  # None when nothing serves yet
    evaluation: Evaluation | None = None
    positions: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    why: str = ""

    @property
    def metrics(self) -> Mapping[str, float]:
        """All metrics on the rows that were evaluated; empty when none was."""
        return self.evaluation.metrics if self.evaluation else {}


@dataclass(frozen=True)
class Comparison:
    """The test rows with what the new version predicts for them, and the champion."""

    labels: NDArray[Any]
    new: Evaluation
    champion: Champion
    columns: Columns  # features and raw columns that slices name


@dataclass(frozen=True)
class Verdict:
    """One gate, or one slice of it.

    `value` and `bound` are None where there was nothing to measure or compare with.
    """

    metric: str
    condition: str
    passed: bool
    value: float | None
    bound: float | None
    rows: int
    slice: str = ""
    note: str = ""
    counts: bool = True  # False: a slice that says nothing, and passes for that

    def describe(self) -> str:
        """One line for a person: what was required, what was found."""
        where = f" where {self.slice}" if self.slice else ""
        value = "not measurable" if self.value is None else f"{self.value:.4g}"
        note = f" ({self.note})" if self.note else ""
        return f"{self.metric}{where} is {value}, required {self.condition}{note}"


@dataclass(frozen=True)
class CaseResult:
    """One behavioural case; `complaint` is empty when it holds."""

    name: str
    kind: str
    complaint: str

    @property
    def passed(self) -> bool:
        """True when the case holds."""
        return not self.complaint
