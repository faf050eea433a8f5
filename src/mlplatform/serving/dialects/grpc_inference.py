"""Open Inference Protocol v2, gRPC: the messages ModelInferRequest and ModelInferResponse.

Tensors come as raw bytes or as typed contents, and the outputs go back in the same form. What is
not certainly right goes the slow way of the REST dialect, so that both come to the same verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from msgspec.structs import replace

from mlplatform.contracts.model import Output, Signature
from mlplatform.contracts.tensor_bytes import DTYPES, Values, packed, texts, unpacked
from mlplatform.errors import InvalidInput
from mlplatform.serving.dialects import diagnose
from mlplatform.serving.dialects.inference import InferenceDialect
from mlplatform.serving.dialects.requested_outputs import RequestedOutputs
from mlplatform.serving.dialects.tensor_blocks import NamedTensor, TensorBlocks
from mlplatform.serving.dialects.tensors import DATATYPES
from mlplatform.serving.grpc.messages import message, parsed
from mlplatform.serving.request import DecodedRequest, Prediction

_CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


class GrpcInferenceDialect:
    """See Dialect. `slow` is the REST dialect of the same signature."""

    def __init__(self, signature: Signature, slow: InferenceDialect) -> None:
        self._slow = slow
        self._blocks = TensorBlocks(signature)
        self._outputs = {output.name: output for output in signature.outputs}
        self._all = frozenset(self._outputs)
        self._requested = RequestedOutputs(tuple(self._outputs))

    def decode(self, body: bytes) -> DecodedRequest:
        """See Dialect.decode."""
        found = parsed("inference.ModelInferRequest", body)
        raw = found.raw_input_contents
        tensors = _of_bytes(found.inputs, raw) if raw else _of_contents(found.inputs)
        binary = self._all if raw else frozenset()
        certain = self._blocks.certain(tensors)
        if certain is None:
            return replace(self._checked(found, tensors), binary_outputs=binary)
        client_id = diagnose.client_id(found.id) if found.id else None
        names = None
        if found.outputs:
            names = self._requested.known([output.name for output in found.outputs])
        blocks, rows, form = certain
        return DecodedRequest(
            blocks, rows, form, client_id, output_names=names, binary_outputs=binary
        )

    def encode(self, prediction: Prediction) -> bytes:
        """See Dialect.encode."""
        request = prediction.request
        response = message("inference.ModelInferResponse")(
            model_name=prediction.model,
            model_version=prediction.version,
            id=prediction.request_id if request.client_id is None else request.client_id,
        )
        response.parameters["request_id"].string_param = prediction.request_id
        if request.client_id is not None:
            response.parameters["client_id"].string_param = request.client_id
        names = self._outputs if request.output_names is None else request.output_names
        for name in names:
            _add(response, self._outputs[name], prediction)
        encoded: bytes = response.SerializeToString()
        return encoded

    def _checked(self, found: Any, tensors: Sequence[NamedTensor]) -> DecodedRequest:
        """The slow way. Raises InvalidInput that names row and column."""
        return self._slow.checked(
            {
                "id": found.id or None,
                "inputs": [
                    {**tensor._asdict(), "data": _listed(tensor.values)} for tensor in tensors
                ],
                "outputs": [{"name": output.name} for output in found.outputs],
            }
        )


def _of_bytes(inputs: Sequence[Any], raw: Sequence[bytes]) -> list[NamedTensor]:
    if len(raw) != len(inputs) or any(tensor.HasField("contents") for tensor in inputs):
        raise InvalidInput(
            f"{len(raw)} raw contents are not one for each of {len(inputs)} inputs, or an input "
            "has typed contents besides",
            field="raw_input_contents",
            fix="send all inputs as raw contents, or all as typed ones",
        )
    return [
        NamedTensor(
            tensor.name,
            tensor.datatype,
            list(tensor.shape),
            unpacked(tensor.datatype, data, f"inputs.{tensor.name}"),
        )
        for tensor, data in zip(inputs, raw, strict=True)
    ]


def _of_contents(inputs: Sequence[Any]) -> list[NamedTensor]:
    return [
        NamedTensor(tensor.name, tensor.datatype, list(tensor.shape), _contents(tensor))
        for tensor in inputs
    ]


def _contents(tensor: Any) -> Values:
    where, field = f"inputs.{tensor.name}", _CONTENTS.get(tensor.datatype)
    if field is None:
        raise InvalidInput(
            f"datatype {tensor.datatype!r:.40} has no typed contents",
            field=where,
            fix=f"send one of {', '.join(_CONTENTS)}, or raw contents",
        )
    values = getattr(tensor.contents, field)
    if tensor.datatype == "BYTES":
        return texts(values, where)
    # A narrow integer comes as 32 bits and may be too large for its datatype, which does no harm.
    wide = field.endswith("int_contents")
    return np.array(values, np.int64 if wide else DTYPES[tensor.datatype])


def _listed(values: Values) -> list[Any]:
    """A null number is NaN in a tensor, and None in a document."""
    if not isinstance(values, np.ndarray):
        return values
    listed: list[Any] = values.tolist()
    if values.dtype.kind == "f":
        return [None if value != value else value for value in listed]  # noqa: PLR0124  (NaN)
    return listed


def _add(response: Any, output: Output, prediction: Prediction) -> None:
    """Append one output to the response."""
    datatype, values = DATATYPES[output.dtype], prediction.outputs[output.name]
    shape = [prediction.request.rows]
    if output.width > 1:
        shape, values = [*shape, output.width], list(chain.from_iterable(values))
    tensor = response.outputs.add(name=output.name, datatype=datatype, shape=shape)
    if prediction.request.binary_outputs:
        response.raw_output_contents.append(packed(datatype, values))
        return
    if datatype == "BYTES":
        values = [value.encode() for value in values]
    getattr(tensor.contents, _CONTENTS[datatype]).extend(values)
