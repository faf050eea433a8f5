"""Steps of a run: each one logged, timed and counted, here and in MLflow."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mlplatform.telemetry import histogram, logger

_log = logger("trainer")


class StepTimer:
    """Durations of the steps of one run, in the order they ended."""

    def __init__(
        self,
        pipeline: str,
        *,
        before: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.seconds: dict[str, float] = {}
        self._pipeline = pipeline
        self._before = before
        self._clock = clock

    def check(self) -> None:
        """Raise when the run must stop."""
        self._before()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Run one step.

        `before` is asked first, and may raise to stop the run between two steps.
        """
        self._before()
        begun = self._clock()
        _log.info("step begins", step=name)
        try:
            yield
        finally:
            self.seconds[name] = self._clock() - begun
            histogram("trainer_step_seconds").labels(self._pipeline, name).observe(
                self.seconds[name]
            )
        _log.info("step done", step=name, seconds=round(self.seconds[name], 3))
