"""Tensors that are certainly right, as the blocks that a model takes.

There is one tensor per column, of shape [rows] or [rows, 1], or one tensor of shape [rows, columns]
with any name, in the order of the signature, for a model whose columns all take its datatype.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from mlplatform.contracts.blocks import BlockLayout, TypeBlock
from mlplatform.contracts.columns import NUMPY
from mlplatform.contracts.model import Signature
from mlplatform.contracts.request_inputs import tensors_form
from mlplatform.contracts.tensor_bytes import Values
from mlplatform.features.parse import EXACT
from mlplatform.serving.dialects.tensors import NATURAL, fills

_MOST = 2**63 - 1


class NamedTensor(NamedTuple):
    """A tensor as it came: its values are flat, and may be more or fewer than its shape says."""

    name: str
    datatype: str
    shape: list[int]
    values: Values


class TensorBlocks:
    """Compiled for one signature; stateless."""

    def __init__(self, signature: Signature) -> None:
        self._layout = BlockLayout(signature.inputs)
        self._names = self._layout.names
        self._required = [
            [not signature.inputs[place].nullable for place in places]
            for places in self._layout.positions
        ]

    def is_table(self, tensors: Sequence[NamedTensor]) -> bool:
        """Whether it is one tensor that holds all columns, as far as its shape says."""
        width = len(self._names)
        return (
            len(tensors) == 1
            and len(tensors[0].shape) == 2
            and tensors[0].shape[1] == width
            and len(tensors[0].values) == tensors[0].shape[0] * width
        )

    def columns(self, table: NamedTensor) -> list[NamedTensor]:
        """The tensors of single columns that make up a table."""
        rows, width = table.shape
        return [
            NamedTensor(name, table.datatype, [rows], table.values[place::width])
            for place, name in enumerate(self._names)
        ]

    def certain(self, tensors: Sequence[NamedTensor]) -> tuple[list[Values], int, bytes] | None:
        """Blocks, rows and the form in which they are recorded; None for what is not certain.

        Nothing is that comes besides the columns.
        """
        if not tensors or not tensors[0].shape or tensors[0].shape[0] < 1:
            return None
        rows = tensors[0].shape[0]
        if self.is_table(tensors):
            blocks = self._cut(tensors[0])
            return (
                None
                if blocks is None
                else (blocks, rows, _form([(self._names, tensors[0].values)]))
            )
        return self._single(tensors, rows) if len(tensors) == len(self._names) else None

    def _single(
        self, tensors: Sequence[NamedTensor], rows: int
    ) -> tuple[list[Values], int, bytes] | None:
        """The same, of tensors that hold a column each."""
        named = {tensor.name: tensor for tensor in tensors}
        found: list[Values] = []
        for place, block in enumerate(self._layout.blocks):
            values = _joined(block, named, rows)
            checked = None if values is None else self._checked(place, values)
            if checked is None:
                return None
            found.append(checked)
        names = [block.names for block in self._layout.blocks]
        return found, rows, _form(list(zip(names, found, strict=True)))

    def _cut(self, table: NamedTensor) -> list[Values] | None:
        """The blocks of a table."""
        layout, values = self._layout, table.values
        wide = len(self._names) > 1
        if not all(fills(table.datatype, block.dtype, table=wide) for block in layout.blocks):
            return None
        if not isinstance(values, np.ndarray) or len(layout.blocks) == 1:
            parts = [values]
        else:
            array = values.reshape(-1, len(self._names))
            parts = [array[:, places] for places in layout.positions]
        found = [self._checked(place, part) for place, part in enumerate(parts)]
        certain = [block for block in found if block is not None]
        return certain if len(certain) == len(found) else None

    def _checked(self, place: int, values: Values) -> Values | None:
        """A block's values, as an array of its type where they are numbers; None for a doubt."""
        if not isinstance(values, np.ndarray):
            return values if not any("\0" in text for text in values) else None
        block = self._layout.blocks[place]
        array = values.reshape(-1, len(block.names))
        if array.dtype.kind == "f":
            if block.dtype == "int64":
                wide = array.astype(np.float64)  # half precision knows no EXACT
                whole = (wide == np.trunc(wide)) & (abs(wide) < EXACT)  # NaN is none
                return wide.astype(np.int64) if whole.all() else None
            if not np.isfinite(array).all() and not self._only_nulls(array, place):
                return None
        elif array.dtype == np.uint64 and (array > _MOST).any():
            return None
        return np.ascontiguousarray(array, NUMPY[block.dtype])

    def _only_nulls(self, array: NDArray[Any], place: int) -> bool:
        """Whether all that is not finite is NaN, in columns that take nulls."""
        missing = np.isnan(array)
        return not (np.isinf(array).any() or missing[:, self._required[place]].any())


def _joined(block: TypeBlock, named: dict[str, NamedTensor], rows: int) -> Values | None:
    """The values of tensors that hold a column each, row by row."""
    tensors = [named[name] for name in block.names if name in named]
    if len(tensors) < len(block.names) or any(
        tensor.shape not in ([rows], [rows, 1])
        or len(tensor.values) != rows
        or not fills(tensor.datatype, block.dtype)
        for tensor in tensors
    ):
        return None
    parts = [tensor.values for tensor in tensors]
    if block.dtype == "string":
        return [text for row in zip(*parts, strict=True) for text in row]
    if len({NATURAL[tensor.datatype] for tensor in tensors}) > 1:
        parts = [np.asarray(part, np.float64) for part in parts]
    return np.concatenate(parts).reshape(len(parts), rows).T


def _form(parts: Sequence[tuple[Sequence[str], Values]]) -> bytes:
    return tensors_form(
        (names, part if isinstance(part, np.ndarray) else msgspec.json.encode(part))
        for names, part in parts
    )
