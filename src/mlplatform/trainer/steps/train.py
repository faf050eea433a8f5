"""Fit the author's estimator with the parameters that the search found best."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlplatform.engine.skops import frame
from mlplatform.errors import InvalidInput
from mlplatform.trainer.estimator import Build
from mlplatform.trainer.labelled_rows import LabelledRows
from mlplatform.trainer.results import Pinned


def train(build: Build, rows: LabelledRows, pinned: Pinned, best: Mapping[str, Any]) -> Any:
    """The estimator, fitted on all of `rows`. Raises InvalidInput when its `fit` fails."""
    estimator = build(dict(best))
    try:
        estimator.fit(frame(rows.features, pinned.features.features), rows.labels)
    except Exception as error:  # the author's estimator may raise anything
        raise InvalidInput(
            f"model.py: fit failed with {dict(best)}: {error!r}", field="model.py"
        ) from error
    return estimator
