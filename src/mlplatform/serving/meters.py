"""Serving's metrics of one pipeline.

Labels are bound once: looking one up costs more than counting.
"""

from __future__ import annotations

from collections.abc import Sized

from prometheus_client import REGISTRY, CollectorRegistry

from mlplatform.serving.tallies import tallies
from mlplatform.telemetry import counter, gauge, histogram


class Meters:
    """Counts for one pipeline. `replied` and `predicted` are for the event loop (see Tally)."""

    def __init__(self, pipeline: str, registry: CollectorRegistry = REGISTRY) -> None:
        self._pipeline = pipeline
        self._registry = registry
        self._failures = counter("serving_load_failures_total", registry)
        self._info = gauge("serving_model_info", registry)
        self._unloadable = gauge("serving_model_unloadable", registry)
        self._model_seconds = histogram("serving_model_seconds", registry).labels(pipeline)
        self._batch = histogram("serving_batch_requests", registry).labels(pipeline)
        self._waiting = gauge("serving_waiting_requests", registry).labels(pipeline)
        tally = tallies(registry).of(pipeline)
        self.replied = tally.replied
        self.predicted = tally.predicted

    def called(self, requests: int, seconds: float) -> None:
        """One call of the model."""
        self._batch.observe(requests)
        self._model_seconds.observe(seconds)

    def watch(self, waiting: Sized) -> None:
        """Read the number of waiting requests from `len(waiting)` whenever metrics are read."""
        self._waiting.set_function(lambda: len(waiting))

    def serves(self, version: str, kind: str, *, instead_of: tuple[str, str] | None) -> None:
        """Another version serves from now on."""
        if instead_of is not None:
            self._info.remove(self._pipeline, *instead_of)
        self._info.labels(self._pipeline, version, kind).set(1)

    def ends(self, version: str, kind: str) -> None:
        """That version serves no longer, and none instead of it."""
        self._info.remove(self._pipeline, version, kind)

    def unloadable(self, value: int) -> None:
        """1 while the promoted version can't be loaded."""
        self._unloadable.labels(self._pipeline).set(value)

    def load_failed(self, reason: str) -> None:
        """A version could not be loaded."""
        self._failures.labels(self._pipeline, reason).inc()
