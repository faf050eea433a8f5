"""What a model.onnx is fed with: a tensor per type, or in older models one per feature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlplatform.contracts.blocks import BlockLayout
from mlplatform.contracts.columns import Columns, DType, Feature
from mlplatform.engine.table import in_blocks, prepare
from mlplatform.errors import RowRefused

Feed = Mapping[str, NDArray[Any]]


def input_name(dtype: DType) -> str:
    """The input for all features of a type. No feature's name has a dot."""
    return f"block.{dtype}"


class Feeder(Protocol):
    """Makes the tensors of one model."""

    def __call__(self, features: Columns) -> Feed:
        """Input name -> tensor.

        Raises InvalidInput for a missing feature, RowRefused for a number that the tensor's type
        can't hold.
        """
        ...


class BlockFeeder:
    """One tensor of shape [rows, features] per type: `kinds` has their NumPy types by name."""

    def __init__(self, declared: Sequence[Feature], kinds: Mapping[str, Any]) -> None:
        self._layout = BlockLayout(declared)
        self._tensors = [
            (index, input_name(block.dtype), kinds[input_name(block.dtype)])
            for index, block in enumerate(self._layout.blocks)
            if input_name(block.dtype) in kinds
        ]

    def __call__(self, features: Columns) -> Feed:
        """See Feeder."""
        table = in_blocks(features, self._layout)
        arrays = table.arrays
        try:
            # NumPy notices an overflow while it casts, for nothing; looking for it costs more.
            with np.errstate(all="ignore", over="raise"):
                return {
                    name: arrays[index].astype(kind, copy=False)
                    for index, name, kind in self._tensors
                }
        except FloatingPointError as error:
            raise _too_large(table, self._layout.blocks[0].names) from error


class ColumnFeeder:
    """One tensor of shape [rows, 1] per feature, as models were exported at first."""

    def __init__(self, declared: Sequence[Feature], kinds: Mapping[str, Any]) -> None:
        self._declared = declared
        self._kinds = kinds

    def __call__(self, features: Columns) -> Feed:
        """See Feeder."""
        table = prepare(features, self._declared)
        try:
            with np.errstate(all="ignore", over="raise"):
                return {
                    name: table[name].astype(kind, copy=False).reshape(-1, 1)
                    for name, kind in self._kinds.items()
                }
        except FloatingPointError as error:
            narrow = [name for name, kind in self._kinds.items() if kind is np.float32]
            raise _too_large(table, narrow) from error


def _too_large(table: Columns, names: Sequence[str]) -> RowRefused:
    """What to say of the first row that holds a number beyond float32."""
    with np.errstate(all="ignore"):
        found = [
            (int(np.argmax(beyond)), name)
            for name in names
            if (beyond := np.isinf(table[name].astype(np.float32))).any()
        ]
    row, name = min(found)
    return RowRefused(
        f"feature {name} is {table[name][row]:.6g}, and the model computes in float32, which "
        f"ends at {np.finfo(np.float32).max:.3g}",
        field=name,
        row=row,
    )
