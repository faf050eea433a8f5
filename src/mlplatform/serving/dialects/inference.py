"""Open Inference Protocol v2, REST: JSON tensors and the binary tensor extension.

A request has one tensor per raw column, of shape [rows] or [rows, 1], or one of all columns, of
shape [rows, columns], under any name. The response has the outputs `prediction` ([rows]) and, for a
classification, `probabilities` ([rows, classes], in the order of the signature's classes). Its `id`
is the client's own where one was sent, as the protocol asks; our request id is always in
`parameters.request_id`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import msgspec

from mlplatform.contracts.blocks import BlockLayout
from mlplatform.contracts.model import Signature
from mlplatform.contracts.tensor_bytes import packed
from mlplatform.errors import InvalidInput
from mlplatform.serving.dialects import diagnose
from mlplatform.serving.dialects.binary_tensors import (
    BinaryAnswer,
    certain_tensors,
    fill_in,
    head_of,
)
from mlplatform.serving.dialects.inference_body import (
    InferenceBody,
    certainly_distinct,
    parameters,
)
from mlplatform.serving.dialects.json_tensors import Found, JsonTensors
from mlplatform.serving.dialects.lone_tensor import EMPTY, LoneTensor, cut_out
from mlplatform.serving.dialects.requested_outputs import RequestedOutputs
from mlplatform.serving.dialects.tensor_blocks import TensorBlocks
from mlplatform.serving.dialects.tensor_document import TensorDocument, known_content_type
from mlplatform.serving.dialects.tensors import DATATYPES
from mlplatform.serving.request import DecodedRequest, Prediction


class InferenceDialect:
    """See Dialect."""

    def __init__(self, signature: Signature) -> None:
        self._layout = BlockLayout(signature.inputs)
        self._blocks = TensorBlocks(signature)
        self._json = JsonTensors(signature, self._blocks)
        self._document = TensorDocument(signature)
        self._outputs = {output.name: output for output in signature.outputs}
        self._requested = RequestedOutputs(tuple(self._outputs))
        self._request = msgspec.json.Decoder(InferenceBody)

    def decode(self, body: bytes) -> DecodedRequest:
        """See Dialect.decode."""
        lone = cut_out(body)
        try:
            request = self._lone(lone) if lone else None
            if request is None:
                found = self._request.decode(body)
                request = self._certain(body, found, self._json.certain(found.inputs))
        except diagnose.UNDECODABLE:
            request = None
        return self._diagnose(body) if request is None else request

    def decode_binary(self, body: bytes, json_bytes: int) -> DecodedRequest:
        """As `decode`, for a body of that many bytes of JSON with binary tensors behind it."""
        head = head_of(body, json_bytes)
        try:
            found = self._request.decode(head)
            tensors = self._blocks.certain(certain_tensors(found.inputs, body, json_bytes))
            request = self._certain(head, found, tensors)
        except (*diagnose.UNDECODABLE, InvalidInput):
            request = None
        return self._diagnose(head, body[json_bytes:]) if request is None else request

    def encode(self, prediction: Prediction) -> bytes | BinaryAnswer:
        """See Dialect.encode."""
        request = prediction.request
        names = self._outputs if request.output_names is None else request.output_names
        outputs, binary = [], []
        for name in names:
            described, data = self._described(name, prediction)
            if name in request.binary_outputs:
                binary.append(packed(described["datatype"], data))
                described["parameters"] = {"binary_data_size": len(binary[-1])}
            else:
                described["data"] = data
            outputs.append(described)
        head = msgspec.json.encode(
            {
                "model_name": prediction.model,
                "model_version": prediction.version,
                "id": prediction.request_id if request.client_id is None else request.client_id,
                "parameters": _ids(prediction),
                "outputs": outputs,
            }
        )
        return BinaryAnswer(b"".join([head, *binary]), len(head)) if binary else head

    def checked(self, document: Mapping[str, Any]) -> DecodedRequest:
        """The request in a document of the protocol's keys. Raises InvalidInput, as `decode`."""
        columns, rows, extras = self._document.columns(document)
        wanted = self._requested.of_document(document)
        return DecodedRequest.of_columns(
            self._layout,
            columns,
            rows,
            client_id=diagnose.client_id(document.get("id")),
            extras=extras,
            output_names=wanted.names,
            binary_outputs=wanted.binary,
        )

    def output_names(self, names: Sequence[Any]) -> tuple[str, ...] | None:
        """The outputs to send back; None: all. Raises InvalidInput for an unknown one."""
        return self._requested.known(names)

    def _lone(self, lone: LoneTensor) -> DecodedRequest | None:
        """The request of one tensor of all columns. Raises InvalidInput and msgspec's errors."""
        found = self._request.decode(lone.head)
        if len(found.inputs) != 1 or found.inputs[0].data != EMPTY:
            return None
        return self._certain(lone.head, found, self._json.table(found.inputs[0], lone.data))

    def _certain(
        self, head: bytes, body: InferenceBody, tensors: Found | None
    ) -> DecodedRequest | None:
        """The request of such tensors, or None where anything else of it needs a closer look.

        Raises InvalidInput and msgspec's errors.
        """
        # msgspec accepts a key that is there twice, and an escaped NUL inside of a string.
        if tensors is None or diagnose.has_nul(head) or not certainly_distinct(head, body):
            return None
        given = [part.parameters for part in body.inputs if part.parameters is not msgspec.UNSET]
        for raw in (body.parameters, *given):
            if not known_content_type(parameters(raw).content_type):
                return None
        wanted = self._requested.of_body(body)
        blocks, rows, form = tensors
        client_id = diagnose.client_id(body.id)
        return DecodedRequest(
            blocks, rows, form, client_id, wanted.names, binary_outputs=wanted.binary
        )

    def _diagnose(self, head: bytes, data: bytes = b"") -> DecodedRequest:
        document = diagnose.document(head)
        fill_in(document, data)
        return self.checked(document)

    def _described(self, name: str, prediction: Prediction) -> tuple[dict[str, Any], Sequence[Any]]:
        """An output without its data, and its data."""
        output, values = self._outputs[name], prediction.outputs[name]
        shape = [prediction.request.rows]
        if output.width > 1:
            shape, values = [*shape, output.width], list(chain.from_iterable(values))
        return {"name": name, "shape": shape, "datatype": DATATYPES[output.dtype]}, values


def _ids(prediction: Prediction) -> dict[str, str]:
    client_id = prediction.request.client_id
    given = {} if client_id is None else {"client_id": client_id}
    return {"request_id": prediction.request_id} | given
