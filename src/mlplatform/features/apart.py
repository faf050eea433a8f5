"""A pipeline's features.py in a process of its own, which may loop, crash or grow without harm.

The child is started when the features are loaded and fed one table after another over a pipe. It
has none of our environment, bounded memory, and ends with its parent. What it answers is data,
never code.
"""

from __future__ import annotations

import weakref
from typing import Any

from mlplatform.contracts.columns import Columns, Feature
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.errors import FeaturesEnded, InvalidInput
from mlplatform.features import served
from mlplatform.features.acceptance import Accepted, History
from mlplatform.features.child import ChildProcess
from mlplatform.features.code import FeatureSet, require_digest
from mlplatform.features.probe import Probes

START_S = 60.0
"""For the interpreter, NumPy and the trial on rows: a second, on a busy machine more."""


def load_apart(
    definition: PipelineDefinition,
    source: bytes,
    *,
    digest: str,
    limit_s: float,
    history: History | None = None,
    as_served: bool = False,
) -> FeatureSet:
    """The features of a definition, whose code runs in a child until the set is gone.

    See `mlplatform.features.code.load`; `as_served`: with the modules of serving only. `apply` of
    the set raises FeaturesEnded when the code runs longer than `limit_s` or ends its process.
    """
    require_digest(definition, source, digest)
    child = _Apart(definition, source, limit_s, as_served=as_served)
    made = FeatureSet(
        digest=digest,
        inputs=definition.inputs,
        accepted=child.accepted(history),
        engineer=child.engineer,
        where=child.where,
    )
    weakref.finalize(made, child.process.end)
    return made


class _Apart:
    """features.py in a process, started again after it had to be ended. One caller at a time."""

    def __init__(
        self, definition: PipelineDefinition, source: bytes, limit_s: float, *, as_served: bool
    ) -> None:
        barred: frozenset[str] = served.others() if as_served else frozenset()
        self.where = where = f"pipelines/{definition.name}/features.py"
        self.process = ChildProcess(
            "mlplatform.features.apart_main",
            lambda how: FeaturesEnded(f"{where}: {how}"),
            no_files=True,
        )
        self._first: tuple[Any, ...] = (definition, source, barred)
        self._known: Columns | None = None
        self._limit_s = limit_s

    def accepted(self, history: History | None) -> Accepted:
        """Start it; returns what its trial found, on rows of the history if need be."""
        try:
            return self.start()
        except FeaturesEnded:
            raise
        except InvalidInput:
            self._known = history() if history is not None else None
            if self._known is None:
                raise
            return self.start()

    def start(self) -> Accepted:
        """Start it; returns what its trial found."""
        self.process.start()
        first = (*self._first, self._known)
        try:
            (_, (found, known)), *tables = self.process.exchange(
                first, START_S, "its trial", more=True
            )
        except InvalidInput:
            self.process.end()
            raise
        features = tuple(Feature(name=name, dtype=dtype) for name, dtype in found)
        return Accepted(features, Probes(tuple(table for table, _ in tables), bool(known)))

    def engineer(self, columns: Columns) -> Columns:
        """The features of these columns, not checked yet."""
        if not self.process.runs:
            self.start()
        ((found, _),) = self.process.exchange(dict(columns), self._limit_s, "these rows")
        return found
