"""A foreign file in a child process: read there once, then asked for answers and for a file.

See `mlplatform.engine.foreign.child` for what the child may. Nothing that it gives is trusted more
than numbers and bytes: whatever it calls a model is loaded by serving's own code, in another child.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal

import numpy as np

from mlplatform.contracts.columns import Columns, length
from mlplatform.contracts.model import Format
from mlplatform.engine.foreign.file import Classes, ForeignFile
from mlplatform.engine.limits import RAISE_LIMITS, TrialLimits
from mlplatform.errors import InvalidInput, RowRefused, UnfitModel
from mlplatform.features.child import ChildProcess
from mlplatform.features.frames import Frame

_ROWS = 16_384
_IMPORTS_S = 60.0  # with a booster's library and the converter, on a busy machine


class ForeignModel:
    """A file that was read, and fits the pipeline."""

    def __init__(
        self,
        file: ForeignFile,
        limits: TrialLimits,
        *,
        allowed: Literal["auto", "onnx", "skops"] = "auto",
    ) -> None:
        """Read it. `allowed` is the format that serves.

        Raises InvalidInput that says what is wrong with it, UnfitModel for a limit.
        """
        self._limits, self._allowed = limits, allowed
        self._child = ChildProcess("mlplatform.engine.foreign.cut_off", self._ended, no_files=True)
        weakref.finalize(self, self._child.end)
        self._child.start()
        seconds = limits.time_s + _IMPORTS_S
        try:
            ((_, facts),) = self._child.exchange((file, limits.memory_bytes), seconds, "reading")
            self._facts = _proven(facts)
        except InvalidInput as error:
            self._child.end()
            message = f"the {file.format} file can't be imported: {error.message}"
            raise InvalidInput(message, field=error.field or "FILE", fix=error.fix) from None

    @property
    def classes(self) -> Classes | None:
        """In the order of the probabilities; None for a regression."""
        return self._facts[0]

    @property
    def order(self) -> tuple[str, ...]:
        """The features as the model takes them."""
        return self._facts[2]

    @property
    def kind(self) -> str:
        """What was in the file."""
        return self._facts[3]

    @property
    def fine(self) -> bool:
        """Whether it must be compared next to known numbers as well."""
        return self._facts[4]

    def predict(self, rows: Columns) -> Columns:
        """The file's own answers. Raises what it refuses, and UnfitModel when a limit ends it."""
        parts = [self._part(rows, at) for at in range(0, max(1, length(rows)), _ROWS)]
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def ways(self) -> Iterator[tuple[Format, str, Callable[[], bytes]]]:
        """The ways to write a file that serves, the best one first."""
        for name in self._facts[1]:
            kind: Format = "skops" if name == "skops" else "onnx"
            if self._allowed in ("auto", kind):
                yield kind, name, partial(self._written, name)

    def end(self) -> None:
        """End the child."""
        self._child.end()

    def _written(self, way: str) -> bytes:
        seconds = self._limits.time_s + _IMPORTS_S
        ((found, _),) = self._exchange(("write", way), seconds, "the conversion")
        return bytes(found["file"].tobytes())

    def _part(self, rows: Columns, first: int) -> Columns:
        part = {name: values[first : first + _ROWS] for name, values in rows.items()}
        try:
            ((answers, _),) = self._exchange(("predict", part), self._limits.time_s, "a call")
        except RowRefused as error:
            row = None if error.row is None else error.row + first
            raise RowRefused(error.reason, field=error.field, row=row) from None
        return answers

    def _exchange(self, message: tuple[str, Any], seconds: float, what: str) -> list[Frame]:
        if not self._child.runs:
            raise self._ended("was ended before")
        return self._child.exchange(message, seconds, what)

    @staticmethod
    def _ended(how: str) -> UnfitModel:
        return UnfitModel(
            f"the file, read in a child process, {how}", field="FILE", fix=RAISE_LIMITS
        )


def _proven(facts: list[Any]) -> tuple[Classes | None, list[str], tuple[str, ...], str, bool]:
    """What the child says, as what it must be: code of the file may have said it."""
    try:
        found = facts[0]
        names = found["classes"]
        classes: Classes | None = None
        if names is not None:
            whole = all(type(name) is int for name in names)
            classes = tuple(names) if whole else tuple(str(name) for name in names)
        ways = [str(way) for way in found["ways"]]
        order = tuple(str(name) for name in found["order"])
        return classes, ways, order, str(found["kind"])[:200], bool(found["fine"])
    except (LookupError, TypeError) as error:
        raise InvalidInput("its child process gave no description") from error
