"""The version that serves now, asked about the very rows that the new one is judged on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlplatform.contracts.columns import Columns, Feature
from mlplatform.contracts.promotion import ModelVersion
from mlplatform.engine.load import load, read_signature
from mlplatform.errors import PlatformError, Refused, TryLater
from mlplatform.registry.store import ModelStore
from mlplatform.telemetry import logger
from mlplatform.trainer.labelled_rows import LabelledRows
from mlplatform.trainer.steps.pin import Pinned

RowsOf = Callable[[str, tuple[Feature, ...]], LabelledRows]
"""Rows of another features digest, as of the same mark."""
_log = logger("trainer")


@dataclass(frozen=True)
class Champion:
    """What could be learnt of the champion. `answers` are None when it can't be compared, and `why` says so.

    With another features digest some test rows may lack features of the old one: `positions` are
    the test rows that it did answer.
    """

    version: str | None
    answers: Columns | None = None
    classes: tuple[Any, ...] | None = None
    positions: np.ndarray[Any, Any] | None = None
    why: str = ""


@dataclass(frozen=True)
class Inquiry:
    """How a champion is fetched and fed."""

    store: ModelStore
    rows_of: RowsOf
    folder: Path  # scratch
    trusted: tuple[str, ...]

    def ask(
        self,
        version: ModelVersion | None,
        pinned: Pinned,
        test: LabelledRows,
        classes: Sequence[Any] | None,
    ) -> Champion:
        """The champion's predictions for the test rows. `classes` are those of the new version.

        A champion that can't be loaded, proven or fed, or that answers another question, is
        reported, not hidden: gates against it then fail. Raises TryLater when MLflow or the data
        API is away.
        """
        if version is None:
            return Champion(version=None, why="there is no champion yet")
        try:
            return self._ask(version, pinned, test, classes)
        except TryLater:
            raise
        except Exception as error:  # noqa: BLE001 - the loaders and the model itself may raise anything, such as skops under another scikit-learn
            why = (
                str(error)
                if isinstance(error, PlatformError)
                else f"{type(error).__name__}: {error}"
            )
            _log.error("champion can't be compared", version=version.version, error=why)
            return Champion(
                version=version.version, why=f"version {version.version} can't be compared: {why}"
            )

    def _ask(
        self,
        version: ModelVersion,
        pinned: Pinned,
        test: LabelledRows,
        classes: Sequence[Any] | None,
    ) -> Champion:
        place = self.folder / f"champion-{version.version}"
        self.store.download(version.artifacts, place, version.manifest_sha256)
        form = read_signature(place)
        engine = load(place, form, trusted=self.trusted)
        if form.task != pinned.definition.task:
            raise Refused(f"it is a {form.task}")
        if _named(form.classes) != _named(classes):
            raise Refused(
                f"it tells {', '.join(_named(form.classes))} apart, and the new one {', '.join(_named(classes))}"
            )
        positions, rows = np.arange(len(test), dtype=np.int64), test
        if version.features_digest != pinned.digest:
            positions, rows = _same_rows(test, self.rows_of(version.features_digest, form.features))
        if not len(positions):
            raise Refused(f"none of the test rows has features of {version.features_digest[:12]}…")
        return Champion(
            version=version.version,
            answers=engine.predict(rows.features),
            classes=form.classes,
            positions=positions,
        )


def _named(classes: Sequence[Any] | None) -> list[str]:
    return sorted(map(str, classes or ()))


def _same_rows(
    test: LabelledRows, other: LabelledRows
) -> tuple[np.ndarray[Any, Any], LabelledRows]:
    """Which test rows the other table has too, and those rows of it, in the same order."""
    place = {key: at for at, key in enumerate(other.identities())}
    pairs = [(mine, place[key]) for mine, key in enumerate(test.identities()) if key in place]
    mine, theirs = (np.array([pair[side] for pair in pairs], dtype=np.int64) for side in (0, 1))
    return mine, other.take(theirs)
