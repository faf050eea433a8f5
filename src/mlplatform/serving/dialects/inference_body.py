"""The JSON of a request of the Open Inference Protocol, with the data of tensors left as bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from mlplatform.strict_json import distinct, key_count

RawParameters = msgspec.Raw | msgspec.UnsetType


class TensorPart(msgspec.Struct):
    """An input. Its data is missing where it comes as bytes behind the JSON."""

    name: str
    datatype: str
    shape: list[int]
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    parameters: RawParameters = msgspec.UNSET


class OutputPart(msgspec.Struct):
    """An output that the client wants."""

    name: str
    parameters: RawParameters = msgspec.UNSET


class InferenceBody(msgspec.Struct):
    """The whole request."""

    inputs: list[TensorPart]
    id: str | None = None
    outputs: list[OutputPart] | None = None
    parameters: RawParameters = msgspec.UNSET


class TensorParameters(msgspec.Struct):
    """What a parameter may mean here; all others are for other servers."""

    content_type: str | None = None
    binary_data_size: int | None = None
    binary_data: bool | None = None
    binary_data_output: bool | None = None


NO_PARAMETERS = TensorParameters()
_parameters = msgspec.json.Decoder(TensorParameters | None)


def parameters(raw: RawParameters) -> TensorParameters:
    """The parameters in those bytes. Raises a msgspec error."""
    if raw is msgspec.UNSET:
        return NO_PARAMETERS
    return _parameters.decode(raw) or NO_PARAMETERS


def certainly_distinct(head: bytes, body: InferenceBody) -> bool:
    """Whether the keys are certainly distinct, as far as those of a request are known."""
    outputs = body.outputs or []
    keys = 1 + (body.id is not None) + (body.outputs is not None) + len(outputs)
    keys += sum([3 if tensor.data is msgspec.UNSET else 4 for tensor in body.inputs])
    if distinct(head, keys):
        return True
    return distinct(head, keys + sum(_parameter_keys(body)))


def _parameter_keys(body: InferenceBody) -> Iterator[int]:
    parts: list[Any] = [body, *body.inputs, *(body.outputs or [])]
    for part in parts:
        if part.parameters is not msgspec.UNSET:
            yield 1 + key_count(msgspec.json.decode(part.parameters))
