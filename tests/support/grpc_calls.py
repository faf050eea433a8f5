"""Calls of serving's gRPC port, with nothing but the messages between the test and the wire."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import grpc
import numpy as np

from mlplatform.serving.grpc.messages import message

DEADLINE_S = 20.0
SERVICE = "inference.GRPCInferenceService"
DATATYPES = {"age": "INT64", "bmi": "FP64", "dose": "FP64", "class": "BYTES"}
FIELDS = {
    "BOOL": "bool_contents",
    "INT64": "int64_contents",
    "FP64": "fp64_contents",
    "FP32": "fp32_contents",
    "BYTES": "bytes_contents",
}
ARRAYS = {"BOOL": "?", "INT64": "<i8", "FP64": "<f8", "FP32": "<f4"}


class Calls:
    """One connection with a token."""

    def __init__(self, port: int, token: str | None) -> None:
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.enable_retries", 0)])
        self._metadata = () if token is None else (("authorization", f"Bearer {token}"),)

    def call(self, name: str, /, timeout: float = DEADLINE_S, **fields: Any) -> Any:
        """The answer of a method of the inference service."""
        return self.send(name, message(f"inference.{name}Request")(**fields), timeout)

    def send(self, name: str, request: Any, timeout: float = DEADLINE_S) -> Any:
        """The same for a ready message."""
        method = self.channel.unary_unary(
            f"/{SERVICE}/{name}",
            request_serializer=lambda found: found.SerializeToString(),
            response_deserializer=message(f"inference.{name}Response").FromString,
        )
        return method(request, metadata=self._metadata, timeout=timeout)

    def refused(self, name: str, request: Any) -> grpc.RpcError:
        """The error that a call ends with."""
        try:
            self.send(name, request)
        except grpc.RpcError as error:
            return error
        raise AssertionError(f"{name} was answered")


def infer(
    rows: Sequence[dict[str, Any]],
    *,
    model: str = "ward",
    raw: bool = False,
    datatypes: dict[str, str] = DATATYPES,
    **more: Any,
) -> Any:
    """A request with a tensor for each column."""
    request = message("inference.ModelInferRequest")(model_name=model, **more)
    for name, datatype in datatypes.items():
        values = [row[name] for row in rows]
        tensor = request.inputs.add(name=name, datatype=datatype, shape=[len(rows)])
        if raw:
            request.raw_input_contents.append(packed(datatype, values))
        else:
            ready = [value.encode() for value in values] if datatype == "BYTES" else values
            getattr(tensor.contents, FIELDS[datatype]).extend(ready)
    return request


def packed(datatype: str, values: Sequence[Any]) -> bytes:
    """Values as raw contents."""
    if datatype == "BYTES":
        texts = [text.encode() for text in values]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return np.array(values, ARRAYS[datatype]).tobytes()


def outputs(response: Any) -> dict[str, list[Any]]:
    """Output name -> flat values, in whichever form they came."""
    found = {}
    for place, tensor in enumerate(response.outputs):
        if response.raw_output_contents:
            kind = ARRAYS[tensor.datatype]
            found[tensor.name] = np.frombuffer(response.raw_output_contents[place], kind).tolist()
        else:
            found[tensor.name] = list(getattr(tensor.contents, FIELDS[tensor.datatype]))
    return found
