"""Features in the one form in which every model gets them, in fit and predict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlplatform.contracts.blocks import BlockLayout, BlockTable, TypeBlock
from mlplatform.contracts.columns import NUMPY, Columns, Feature
from mlplatform.errors import InvalidInput

NULL_TEXT = ""
"""What a null string is to a model."""


def prepare(features: Columns, declared: Sequence[Feature]) -> dict[str, NDArray[Any]]:
    """The declared features in their order and types; null strings become `NULL_TEXT`.

    Raises InvalidInput for a missing one.
    """
    _require(features, [feature.name for feature in declared])
    return {feature.name: _typed(features[feature.name], feature) for feature in declared}


def in_blocks(features: Columns, layout: BlockLayout) -> BlockTable:
    """The same as one array per type: those of a table that has them, without a copy."""
    if isinstance(features, BlockTable) and (
        features.layout is layout or features.layout.blocks == layout.blocks
    ):
        arrays = features.arrays
    else:
        _require(features, layout.names)
        arrays = tuple(_stacked(features, block) for block in layout.blocks)
    if layout.blocks[-1].dtype == "string":
        arrays = (*arrays[:-1], _without_nulls(arrays[-1]))
    return layout.table(arrays)


def _require(features: Columns, names: Sequence[str]) -> None:
    missing = [name for name in names if name not in features]
    if missing:
        raise InvalidInput(f"features are missing: {', '.join(missing)}", field=missing[0])


def _typed(values: NDArray[Any], feature: Feature) -> NDArray[Any]:
    typed = np.asarray(values, dtype=NUMPY[feature.dtype])
    return _without_nulls(typed) if feature.dtype == "string" else typed


def _stacked(features: Columns, block: TypeBlock) -> NDArray[Any]:
    columns = [features[name] for name in block.names]
    stacked = np.empty((len(columns[0]), len(columns)), dtype=NUMPY[block.dtype])
    for at, column in enumerate(columns):  # numpy.stack takes four times as long for a row
        stacked[:, at] = column
    return stacked


def _without_nulls(texts: NDArray[Any]) -> NDArray[Any]:
    values = texts.ravel().tolist()
    if None not in values:
        return texts
    filled = np.empty(len(values), dtype=np.object_)
    filled[:] = [NULL_TEXT if value is None else value for value in values]
    return filled.reshape(texts.shape)
