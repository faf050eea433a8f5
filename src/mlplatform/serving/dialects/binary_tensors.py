"""The binary tensor extension: a JSON head, and behind it the bytes of tensors, one by one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from msgspec import UNSET

from mlplatform.contracts.tensor_bytes import Values, unpacked
from mlplatform.errors import InvalidInput
from mlplatform.serving.dialects.inference_body import TensorPart, parameters
from mlplatform.serving.dialects.tensor_blocks import NamedTensor

_SIZE = "binary_data_size"


class BinaryAnswer(NamedTuple):
    """A response whose JSON has `json_bytes` bytes, with the bytes of tensors behind it."""

    body: bytes
    json_bytes: int


def head_of(body: bytes, json_bytes: int) -> bytes:
    """The JSON. Raises InvalidInput when the body is shorter."""
    if json_bytes > len(body):
        raise InvalidInput(
            f"says {json_bytes} bytes of JSON, the body has {len(body)} bytes",
            field="inference-header-content-length",
        )
    return body[:json_bytes]


def certain_tensors(parts: Sequence[TensorPart], body: bytes, place: int) -> list[NamedTensor]:
    """The tensors, all of them bytes behind `place`; an empty list for what is not certain.

    Raises InvalidInput and msgspec's errors, of which the slow way will find the reason.
    """
    found = []
    for part in parts:
        size = parameters(part.parameters).binary_data_size
        if size is None or size < 0 or part.data is not UNSET or place + size > len(body):
            return []
        values = unpacked(part.datatype, body[place : place + size], part.name)
        found.append(NamedTensor(part.name, part.datatype, part.shape, values))
        place += size
    return found if place == len(body) else []


def fill_in(document: dict[str, Any], data: bytes) -> None:
    """Put the values of binary tensors into a document, as lists.

    Raises InvalidInput for sizes that are not exactly those of the bytes.
    """
    place = 0
    inputs = document.get("inputs")
    for index, tensor in enumerate(inputs if isinstance(inputs, list) else ()):
        given = tensor.get("parameters") if isinstance(tensor, dict) else None
        if not isinstance(given, dict) or _SIZE not in given:
            continue
        size, where = given[_SIZE], f"inputs[{index}]"
        if type(size) is not int or not 0 <= size <= len(data) - place:
            raise InvalidInput(
                f"must be a number of bytes, at most the {len(data) - place} that are left",
                field=f"{where}.parameters.{_SIZE}",
            )
        if "data" in tensor:
            raise InvalidInput("comes both as JSON and as bytes", field=f"{where}.data")
        tensor["data"] = _values(tensor, data[place : place + size], where)
        place += size
    if place != len(data):
        raise InvalidInput(
            f"{len(data) - place} bytes behind the JSON belong to no tensor", field="body"
        )


def _values(tensor: dict[str, Any], data: bytes, where: str) -> list[Any]:
    datatype, shape = tensor.get("datatype"), tensor.get("shape")
    if not isinstance(datatype, str):
        raise InvalidInput("must be a string", field=f"{where}.datatype")
    values = _listed(unpacked(datatype, data, where))
    if not isinstance(shape, list) or not all(type(size) is int for size in shape):
        raise InvalidInput("must be a list of whole numbers", field=f"{where}.shape")
    if len(values) != math.prod(shape):
        raise InvalidInput(
            f"the bytes hold {len(values)} values, the shape {shape!r:.60} others", field=where
        )
    return values


def _listed(values: Values) -> list[Any]:
    """A null number is NaN in a tensor, and None in a document."""
    if not isinstance(values, np.ndarray):
        return values
    listed: list[Any] = values.tolist()
    if values.dtype.kind == "f":
        return [None if value != value else value for value in listed]  # noqa: PLR0124  (NaN)
    return listed
