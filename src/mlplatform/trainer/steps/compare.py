"""Compare with the version that serves now, on the very rows that the new one is judged on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlplatform.contracts.model import Signature
from mlplatform.contracts.promotion import ModelVersion
from mlplatform.engine.checked import CheckedEngine
from mlplatform.engine.interface import Engine
from mlplatform.engine.load import read_signature
from mlplatform.errors import PlatformError, Refused, TryLater
from mlplatform.telemetry import logger
from mlplatform.trainer.context import RunContext
from mlplatform.trainer.labelled_rows import LabelledRows
from mlplatform.trainer.results import Champion, Comparison, Evaluation, Parts, Pinned
from mlplatform.trainer.steps.evaluate import evaluate
from mlplatform.trainer.steps.extract import extract_other_digest

_log = logger("trainer")


def compare(context: RunContext, pinned: Pinned, parts: Parts, new: Evaluation) -> Comparison:
    """The new version's evaluation beside the champion's.

    A champion that can't be loaded, proven or fed, or that knows other classes, is reported,
    not hidden: gates against it then fail. Raises TryLater when MLflow or the data API is away.
    """
    serving = context.api.model_status(pinned.definition.name).champion
    if serving is None:
        champion = Champion(version=None, why="there is no champion yet")
    else:
        champion = _champion(context, serving, pinned, parts, new)
    return Comparison(parts.test.labels, new, champion, parts.columns)


def _champion(
    context: RunContext, serving: ModelVersion, pinned: Pinned, parts: Parts, new: Evaluation
) -> Champion:
    version = serving.version
    try:
        engine, signature = _loaded(context, serving)
        _refuse_incomparable(signature, pinned, new)
        positions, rows = _rows(context, serving, signature, pinned, parts)
        evaluation = evaluate(engine, signature, rows, pinned.definition)
    except TryLater:  # nothing is known about the champion: the run must not go on without it
        raise
    except Exception as error:  # noqa: BLE001 - loaders and models may raise anything
        known = isinstance(error, PlatformError)
        why = str(error) if known else f"{type(error).__name__}: {error}"
        _log.error("champion can't be compared", version=version, error=why)
        return Champion(version, why=f"version {version} can't be compared: {why}")
    return Champion(version, evaluation, positions)


def _loaded(context: RunContext, serving: ModelVersion) -> tuple[Engine, Signature]:
    folder = context.folder / f"champion-{serving.version}"
    context.store.download(serving.artifacts, folder, serving.manifest_sha256)
    signature = read_signature(folder)
    return CheckedEngine(context.trials.open(folder), signature), signature


def _refuse_incomparable(signature: Signature, pinned: Pinned, new: Evaluation) -> None:
    if signature.task != pinned.definition.task:
        raise Refused(f"it is a {signature.task}")
    theirs, ours = _names(signature.classes), _names(new.classes.names if new.classes else None)
    if theirs != ours:
        raise Refused(f"its classes are {', '.join(theirs)}, the new one's {', '.join(ours)}")


def _names(classes: Sequence[Any] | None) -> list[str]:
    return sorted(map(str, classes or ()))


def _rows(
    context: RunContext,
    serving: ModelVersion,
    signature: Signature,
    pinned: Pinned,
    parts: Parts,
) -> tuple[NDArray[np.int64], LabelledRows]:
    """Which test rows the champion can be fed with, and those rows with its own features."""
    test, digest = parts.test, serving.features_digest
    if digest == pinned.digest:
        return np.arange(len(test), dtype=np.int64), test
    other = extract_other_digest(
        context.datasets, pinned, parts.receipt, digest, signature.features
    )
    place = {key: at for at, key in enumerate(other.identities())}
    pairs = [(mine, place[key]) for mine, key in enumerate(test.identities()) if key in place]
    if not pairs:
        raise Refused(f"none of the test rows has features of {digest[:12]}…")
    ours, theirs = (np.array([pair[side] for pair in pairs], dtype=np.int64) for side in (0, 1))
    # Features of their digest, labels of our test rows: both versions are held to the same truth.
    return ours, replace(test.take(ours), features=other.take(theirs).features)
