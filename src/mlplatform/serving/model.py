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
    """Immutable once it serves; safe to share between threads.

    Rows are given to the engine in multiples of `multiple`, the last one repeated: matrix kernels take another road for a single row than
    for several, with another rounding, and an answer must not depend on who else asked in the same moment. Where no padding helps, `multiple`
    is 0 and every request gets a call of its own. `mlplatform.serving.warmup` finds the number.
    """

    def __init__(self, facts: ModelVersion, signature: Signature, features: FeatureSet, engine: Engine) -> None:
        self.facts = facts
        self.signature = signature
        self.version = facts.version
        self.names = tuple(column.name for column in signature.inputs)
        self.dialects = compile_all(signature)
        self.multiple = 2
        self._features = features
        self._engine = engine
        self._kinds = tuple((column.name, NUMPY[column.dtype]) for column in signature.inputs)
        self._outputs = tuple(output.name for output in signature.outputs)
        self._call_s, self._row_s = 0.0, 0.0

    def measured(self, call_s: float, row_s: float) -> None:
        """What a call costs: a fixed part and a part per row (seconds)."""
        self._call_s, self._row_s = call_s, row_s

    def expected_s(self, requests: int, rows: int) -> float:
        """How long a batch should take."""
        return self._call_s * (1 if self.multiple else requests) + self._row_s * rows

    def padding(self, rows: int) -> int:
        """How many rows are added to so many."""
        return -rows % self.multiple if self.multiple else 0

    def answer(self, jobs: Sequence[Job]) -> None:
        """Set `outputs` of every job, by one call of the model where it can be. On an error some may be unset; one job may be to blame."""
        if self.multiple or len(jobs) == 1:
            self._answer_together(jobs)
        else:
            for job in jobs:
                self._answer_together([job])

    def predict(self, table: Columns, rows: int) -> Columns:
        """Outputs of raw columns: features, then engine. Raises PlatformError when the model does not give a row for each row."""
        with np.errstate(all="ignore"):  # the answer is the model's to give; stderr is no place for a row's arithmetic
            outputs = self._engine.predict(self._features.apply(table))
        for name in self._outputs:
            if len(outputs[name]) != rows:
                raise PlatformError(f"the model gave {len(outputs[name])} values of '{name}' for {rows} rows")
        return outputs

    def _answer_together(self, jobs: Sequence[Job]) -> None:
        rows = sum(job.question.rows for job in jobs)
        padding = self.padding(rows)
        table = self._table([job.question for job in jobs], padding)
        outputs = {name: values.tolist() for name, values in self.predict(table, rows + padding).items()}
        start = 0
        for job in jobs:
            end = start + job.question.rows
            job.outputs = {name: values[start:end] for name, values in outputs.items()}
            start = end

    def _table(self, questions: Sequence[Question], padding: int) -> dict[str, NDArray[Any]]:
        """The raw columns of all questions, one below the other, and the padding."""
        table = {}
        for index, (name, kind) in enumerate(self._kinds):
            values = list(chain.from_iterable([question.columns[index] for question in questions]))
            values += values[-1:] * padding
            table[name] = np.array(values, dtype=kind)
        return table
