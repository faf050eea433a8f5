"""Steps of a run: each one logged, timed and counted, here and in MLflow."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mlplatform.telemetry import histogram, logger

_log = logger("trainer")


class StepTimer:
    """Durations of the steps of one run, in the order they ended.

    `check` raises when the run must stop. It is called before each step, and by steps that take
    long. `on_step` gets each step as it begins (without seconds) and as it ends.
    """

    def __init__(
        self,
        pipeline: str,
        *,
        check: Callable[[], None],
        on_step: Callable[[str, float | None], None] = lambda *_: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.seconds: dict[str, float] = {}
        self.check = check
        self._pipeline = pipeline
        self._on_step = on_step
        self._clock = clock

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Run one step, unless `check` stops the run before it.

        A step that fails has its seconds too, and no line that says it is done.
        """
        self.check()
        begun = self._clock()
        _log.info("step begins", step=name)
        self._on_step(name, None)
        try:
            yield
        finally:
            seconds = self.seconds[name] = self._clock() - begun
            histogram("trainer_step_seconds").labels(self._pipeline, name).observe(seconds)
            self._on_step(name, seconds)
        _log.info("step done", step=name, seconds=round(seconds, 3))
