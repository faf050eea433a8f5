"""Tensors as bytes: little-endian arrays, and strings that each follow their length."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlplatform.errors import InvalidInput

DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    **{f"INT{8 * size}": np.dtype(f"<i{size}") for size in (1, 2, 4, 8)},
    **{f"UINT{8 * size}": np.dtype(f"<u{size}") for size in (1, 2, 4, 8)},
}
"""Tensor datatype -> the type of its array. BYTES has none: its items differ in size."""
Values = NDArray[Any] | list[Any]
"""The flat values of a tensor: an array, or a list of strings."""
_LENGTH = struct.Struct("<I")


def unpacked(datatype: str, data: bytes, where: str) -> Values:
    """The values behind a tensor's bytes; an array is a view of them.

    `where` names the tensor in errors. Raises InvalidInput for bytes that can't be such a tensor.
    """
    if datatype == "BYTES":
        return texts(_cut(data, where), where)
    kind = DTYPES.get(datatype)
    if kind is None:
        raise InvalidInput(f"unknown datatype {datatype!r:.40}", field=where)
    if len(data) % kind.itemsize:
        raise InvalidInput(f"{len(data)} bytes are not whole values of {datatype}", field=where)
    if datatype == "BOOL" and data.translate(None, b"\0\1"):
        raise InvalidInput("a BOOL must be the byte 0 or 1", field=where)
    return np.frombuffer(data, kind)


def packed(datatype: str, values: Sequence[Any] | NDArray[Any]) -> bytes:
    """The bytes of flat values."""
    if datatype == "BYTES":
        encoded = [value.encode() for value in values]
        return b"".join(_LENGTH.pack(len(text)) + text for text in encoded)
    return np.array(values, DTYPES[datatype]).tobytes()


def texts(items: Sequence[bytes], where: str) -> list[Any]:
    """Strings behind the items of a BYTES tensor. Raises InvalidInput that names the item."""
    found: list[Any] = []
    for item in items:
        try:
            found.append(item.decode())
        except UnicodeDecodeError as error:
            raise InvalidInput(f"item {len(found)} is not UTF-8", field=where) from error
    return found


def _cut(data: bytes, where: str) -> list[bytes]:
    items: list[bytes] = []
    place, end = 0, len(data)
    while place < end:
        start = place + _LENGTH.size
        if start > end or (stop := start + _LENGTH.unpack_from(data, place)[0]) > end:
            raise InvalidInput(
                f"the bytes end within item {len(items)}; each item is its length in four bytes, "
                "little-endian, and its text",
                field=where,
            )
        items.append(data[start:stop])
        place = stop
    return items
