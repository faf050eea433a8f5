"""Feature columns in the one form in which every model gets them, in fit and predict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlplatform.contracts.columns import NUMPY, Columns, Feature
from mlplatform.errors import InvalidInput

NULL_TEXT = ""
"""What a null string is to a model."""


def prepare(features: Columns, declared: Sequence[Feature]) -> dict[str, NDArray[Any]]:
    """The declared features in their order and types; null strings become `NULL_TEXT`.

    Raises InvalidInput for a missing one.
    """
    missing = [feature.name for feature in declared if feature.name not in features]
    if missing:
        raise InvalidInput(f"features are missing: {', '.join(missing)}", field=missing[0])
    return {feature.name: _typed(features[feature.name], feature) for feature in declared}


def _typed(values: NDArray[Any], feature: Feature) -> NDArray[Any]:
    if feature.dtype != "string":
        return np.asarray(values, dtype=NUMPY[feature.dtype])
    text = np.asarray(values, dtype=np.object_)
    null = np.fromiter((value is None for value in text), dtype=np.bool_, count=len(text))
    return np.where(null, NULL_TEXT, text) if null.any() else text
