"""Columns of one type as one array: what work per block instead of per column needs.

A `BlockLayout` says where each column of a table lies: there is one block per type that occurs, in
the order of `ORDER`, and within a block the columns keep the order in which they are declared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlplatform.contracts.columns import DType

ORDER: tuple[DType, ...] = ("float64", "int64", "bool", "string")


class Typed(Protocol):
    """A raw column or a feature."""

    @property
    def name(self) -> str:
        """Unique in its table."""
        ...

    @property
    def dtype(self) -> DType:
        """The type of its values."""
        ...


@dataclass(frozen=True, slots=True)
class TypeBlock:
    """Columns of one type, in the order in which they are declared."""

    dtype: DType
    names: tuple[str, ...]


class BlockLayout:
    """The blocks of a table; immutable."""

    def __init__(self, columns: Sequence[Typed]) -> None:
        found = (
            TypeBlock(dtype, tuple(column.name for column in columns if column.dtype == dtype))
            for dtype in ORDER
        )
        self.blocks = tuple(block for block in found if block.names)
        self.places = {
            name: (index, position)
            for index, block in enumerate(self.blocks)
            for position, name in enumerate(block.names)
        }
        self.names = tuple(column.name for column in columns)
        self.positions = tuple(tuple(map(self.names.index, block.names)) for block in self.blocks)
        """Of the columns of each block, among all that are declared."""

    def table(self, arrays: Sequence[NDArray[Any]]) -> BlockTable:
        """The table whose blocks are `arrays`, each of shape [rows, columns of the block]."""
        return BlockTable(self, arrays)


class BlockTable(Mapping[str, NDArray[Any]]):
    """`Columns` over blocks: each column is a view of shape [rows] into its block."""

    __slots__ = ("arrays", "layout")

    def __init__(self, layout: BlockLayout, arrays: Sequence[NDArray[Any]]) -> None:
        self.layout = layout
        self.arrays = tuple(arrays)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """The column's values, shape [rows]. Raises KeyError."""
        block, position = self.layout.places[name]
        return self.arrays[block][:, position]

    def __iter__(self) -> Iterator[str]:
        """The names, as declared."""
        return iter(self.layout.names)

    def __len__(self) -> int:
        """How many columns."""
        return len(self.layout.names)

    def columns(self) -> dict[str, NDArray[Any]]:
        """The same columns, each of them contiguous in memory.

        NumPy may compute the last digit of a spread column differently, so code that engineers
        features gets these. One copy per block.
        """
        rows = [np.ascontiguousarray(array.T) for array in self.arrays]
        places = self.layout.places
        return {name: rows[places[name][0]][places[name][1]] for name in self.layout.names}
