"""A version in memory, ready to answer: features code, engine and dialects of one model folder."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlplatform.contracts.columns import NUMPY, Columns
from mlplatform.contracts.model import ModelVersion, Signature
from mlplatform.engine.interface import Engine
from mlplatform.errors import PlatformError
from mlplatform.features.code import FeatureSet
from mlplatform.serving.dialects import compile_all
from mlplatform.serving.question import Job, Question

SLOW_S = 0.001
"""A model call that is expected to take longer runs in a thread. Handing over costs about 0.1 ms, so below this it would cost more than it
saves; above it, other requests on the event loop would feel the wait."""


class LoadedModel:
    """Immutable once it serves; safe to share between threads."""

    def __init__(self, facts: ModelVersion, signature: Signature, features: FeatureSet, engine: Engine) -> None:
        self.facts = facts
        self.signature = signature
        self.version = facts.version
        self.names = tuple(column.name for column in signature.inputs)
        self.dialects = compile_all(signature)
        self._features = features
        self._engine = engine
        self._kinds = tuple((column.name, NUMPY[column.dtype]) for column in signature.inputs)
        self._outputs = tuple(output.name for output in signature.outputs)
        self._base_s, self._row_s = 0.0, 0.0  # cost of a call, measured by warmup

    def measured(self, base_s: float, row_s: float) -> None:
        """What a call costs: a fixed part and a part per row (seconds)."""
        self._base_s, self._row_s = base_s, row_s

    def expected_s(self, rows: int) -> float:
        """How long a call with so many rows should take."""
        return self._base_s + self._row_s * rows

    def answer(self, jobs: Sequence[Job]) -> None:
        """Set `outputs` of every job by one call of the model. On an error nothing is set; one job may be to blame for all."""
        table = self.table([job.question for job in jobs])
        outputs = {name: values.tolist() for name, values in self.predict(table, sum(job.question.rows for job in jobs)).items()}
        start = 0
        for job in jobs:
            end = start + job.question.rows
            job.outputs = {name: values[start:end] for name, values in outputs.items()}
            start = end

    def table(self, questions: Sequence[Question]) -> dict[str, NDArray[Any]]:
        """The raw columns of all questions, one below the other."""
        if len(questions) == 1:
            return {name: np.array(values, dtype=kind) for (name, kind), values in zip(self._kinds, questions[0].columns, strict=True)}
        return {
            name: np.array(list(chain.from_iterable(question.columns[index] for question in questions)), dtype=kind)
            for index, (name, kind) in enumerate(self._kinds)
        }

    def predict(self, table: Columns, rows: int) -> Columns:
        """Outputs of raw columns: features, then engine. Raises PlatformError when the model does not give a row for each row."""
        with np.errstate(all="ignore"):  # the answer is the model's to give; stderr is no place for a row's arithmetic
            outputs = self._engine.predict(self._features.apply(table))
        for name in self._outputs:
            if len(outputs[name]) != rows:
                raise PlatformError(f"the model gave {len(outputs[name])} values of '{name}' for {rows} rows")
        return outputs
