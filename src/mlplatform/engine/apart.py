"""A model file loaded and asked in a child process within limits.

Training does so: a file that never ends its load or a call, or takes all memory, ends its child and
the version, and nothing else.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mlplatform.contracts.columns import Columns, length
from mlplatform.engine.limits import RAISE_LIMITS, TrialLimits
from mlplatform.errors import IntegrityFailure, InvalidInput, RowRefused, UnfitModel
from mlplatform.features.child import ChildProcess

_ROWS = 16_384
"""Rows per call: the limit of time is for one call, whatever the table's size."""
_IMPORTS_S = 30.0  # for the interpreter and its libraries, on a busy machine


class EngineApart:
    """See Engine. `predict` also raises UnfitModel when a limit ends the child, then and later."""

    def __init__(self, folder: Path, *, trusted: Sequence[str], limits: TrialLimits) -> None:
        """Load the model of `folder`. Raises IntegrityFailure, UnfitModel."""
        self._limits = limits
        self._child = ChildProcess("mlplatform.engine.apart_main", self._ended)
        weakref.finalize(self, self._child.end)
        self._child.start()
        first = (str(folder.absolute()), tuple(trusted), limits.memory_bytes)
        try:
            self._child.exchange(first, limits.time_s + _IMPORTS_S, "its load")
        except InvalidInput as error:
            self._child.end()
            raise IntegrityFailure(error.message, field=error.field, fix=error.fix) from None

    def predict(self, features: Columns) -> Columns:
        """See Engine.predict."""
        rows = length(features)
        parts = [self._part(features, at) for at in range(0, max(1, rows), _ROWS)]
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _part(self, features: Columns, first: int) -> Columns:
        part = {name: values[first : first + _ROWS] for name, values in features.items()}
        if not self._child.runs:
            raise self._ended("was ended before")
        try:
            ((answers, _),) = self._child.exchange(part, self._limits.time_s, "a call")
        except RowRefused as error:
            row = None if error.row is None else error.row + first
            raise RowRefused(error.reason, field=error.field, row=row) from None
        return answers

    @staticmethod
    def _ended(how: str) -> UnfitModel:
        return UnfitModel(f"the model, loaded in a child process, {how}", fix=RAISE_LIMITS)
