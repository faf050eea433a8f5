"""JSON tensors that are certainly right, as the blocks that a model takes.

The data of a block's columns is decoded in one go, and recorded as the bytes that came.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

import msgspec
import numpy as np

from mlplatform.contracts.blocks import BlockLayout
from mlplatform.contracts.columns import DType
from mlplatform.contracts.model import Signature
from mlplatform.contracts.request_inputs import tensors_form
from mlplatform.contracts.tensor_bytes import Values
from mlplatform.serving.dialects.inference_body import TensorPart
from mlplatform.serving.dialects.json_types import json_type
from mlplatform.serving.dialects.tensor_blocks import NamedTensor, TensorBlocks
from mlplatform.serving.dialects.tensors import NATURAL, accepted, fills

Found = tuple[Sequence[Values], int, bytes]
"""Blocks, rows, and the form in which they are recorded."""


class JsonTensors:
    """Compiled for one signature."""

    def __init__(self, signature: Signature, blocks: TensorBlocks) -> None:
        self._blocks = blocks
        self._layout = BlockLayout(signature.inputs)
        self._names = list(self._layout.names)
        self._kinds = [
            {name: NATURAL[name] for name in accepted(column)} for column in signature.inputs
        ]
        self._keys = [b',"%b":' % name.encode() for name in self._names]
        self._keys[0] = self._keys[0][1:]
        self._nullable = [
            [signature.inputs[place].nullable for place in places]
            for places in self._layout.positions
        ]
        self._wide = len(self._names) > 1
        self._all_nullable = all(column.nullable for column in signature.inputs)
        self._column_decoder = lru_cache(maxsize=16)(self._make_column_decoder)
        self._table_decoder = lru_cache(maxsize=16)(self._make_table_decoder)

    def certain(self, tensors: Sequence[TensorPart]) -> Found | None:
        """The tensors decoded, or None for what is not certain. Raises a msgspec error."""
        if len(tensors) == 1 and tensors[0].shape[1:] == [len(self._names)]:
            data: Any = tensors[0].data
            return None if data is msgspec.UNSET else self.table(tensors[0], bytes(data))
        if len(tensors) != len(self._names):
            return None
        if [tensor.name for tensor in tensors] != self._names:
            named = {tensor.name: tensor for tensor in tensors}
            if named.keys() != set(self._names):
                return None
            tensors = [named[name] for name in self._names]
        return self._columns(tensors)

    def _columns(self, tensors: Sequence[TensorPart]) -> Found | None:
        """Tensors of single columns, in the order of the signature."""
        rows = tensors[0].shape[0] if tensors[0].shape else 0
        shapes = ([rows], [rows, 1])
        if rows < 1 or [one for one in tensors if one.shape not in shapes]:
            return None
        try:
            kinds = [known[one.datatype] for known, one in zip(self._kinds, tensors, strict=True)]
        except KeyError:
            return None
        found: list[Any] = [one.data for one in tensors]
        if msgspec.UNSET in found:
            return None
        blocks: list[Values] = []
        for index, places in enumerate(self._layout.positions):
            decoder = self._column_decoder(index, tuple([kinds[place] for place in places]))
            columns = decoder.decode(b"[%b]" % b",".join([found[place] for place in places]))
            if [column for column in columns if len(column) != rows]:
                return None
            blocks.append(list(chain.from_iterable(zip(*columns, strict=True))))
        parts = self._keys * 2
        parts[::2], parts[1::2] = self._keys, found
        return blocks, rows, b'{"columns":{%b}}' % b"".join(parts)

    def table(self, tensor: TensorPart, raw: bytes) -> Found | None:
        """One tensor of all columns, with that data; None for what is not certain.

        Raises a msgspec error.
        """
        width, blocks = len(self._names), self._layout.blocks
        if tensor.shape[1:] != [width] or not all(
            fills(tensor.datatype, block.dtype, table=self._wide) for block in blocks
        ):
            return None
        rows, nested = tensor.shape[0], raw[1:].lstrip()[:1] == b"["
        values = self._table_decoder(NATURAL[tensor.datatype], nested).decode(raw)
        if nested:
            if any(len(row) != width for row in values):
                return None
            values = list(chain.from_iterable(values))
        if rows < 1 or len(values) != rows * width:
            return None
        form = tensors_form([(self._names, raw)])
        if len(blocks) == 1 and NATURAL[tensor.datatype] in (blocks[0].dtype, "int64"):
            return [values], rows, form
        found = self._blocks.certain(
            [NamedTensor(tensor.name, tensor.datatype, tensor.shape, np.array(values))]
        )
        return found and (found[0], rows, form)

    def _make_column_decoder(
        self, block: int, kinds: tuple[DType, ...]
    ) -> msgspec.json.Decoder[Any]:
        """Decodes the data of a block's columns, all of them in one list."""
        nullables = self._nullable[block]
        types = [
            list[json_type(kind, nullable=nullable)]  # type: ignore[misc]  # made at run time
            for kind, nullable in zip(kinds, nullables, strict=True)
        ]
        return msgspec.json.Decoder(tuple[tuple(types)])  # type: ignore[misc]

    def _make_table_decoder(self, kind: DType, nested: bool) -> msgspec.json.Decoder[Any]:
        """Decodes the data of a table; nulls only where they are certainly right."""
        value = json_type(kind, nullable=self._all_nullable and len(self._layout.blocks) == 1)
        row = list[value]  # type: ignore[valid-type]
        return msgspec.json.Decoder(list[row] if nested else row)
