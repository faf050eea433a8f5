"""Ways to write one and the same request.

A dialect is compiled for one signature: body bytes in, request out; prediction in, bytes out. It
knows bytes only, so every transport can use it.

Decoding is fast or slow. The fast way is a typed msgspec decoder, which accepts only what is
certainly right. Whatever it refuses goes the slow way, `diagnose`, and through
`mlplatform.features.parse`, the same code that checks rows in etl: it finds out which row and
column is wrong, or that the value was right after all (3.0 for a whole number). So both ways come
to the same verdict, and a good request never pays for a bad one.
"""

from __future__ import annotations

from typing import Protocol

from mlplatform.contracts.model import Signature
from mlplatform.errors import UnsupportedMedia
from mlplatform.serving.dialects.binary_tensors import BinaryAnswer
from mlplatform.serving.dialects.grpc_inference import GrpcInferenceDialect
from mlplatform.serving.dialects.inference import InferenceDialect
from mlplatform.serving.dialects.kserve import KserveDialect
from mlplatform.serving.dialects.mlflow import MlflowDialect
from mlplatform.serving.dialects.mlflow_csv import MlflowCsvDialect
from mlplatform.serving.dialects.names import GRPC, INFERENCE, KSERVE, MLFLOW, MLFLOW_CSV, ROWS
from mlplatform.serving.dialects.rows import RowsDialect
from mlplatform.serving.dialects.table_body import Forms
from mlplatform.serving.request import DecodedRequest, Prediction

__all__ = (
    "GRPC",
    "INFERENCE",
    "KSERVE",
    "MLFLOW",
    "MLFLOW_CSV",
    "ROWS",
    "UNVERSIONED",
    "Dialect",
    "compile_all",
    "decode",
)

UNVERSIONED = frozenset({KSERVE, MLFLOW, MLFLOW_CSV})
"""Dialects whose answers have no place for the model's version: a header names it."""


class Dialect(Protocol):
    """A way to write requests and predictions. Stateless, safe to share."""

    def decode(self, body: bytes) -> DecodedRequest:
        """The request in a body. Raises InvalidInput that names row and column."""
        ...

    def encode(self, prediction: Prediction) -> bytes | BinaryAnswer:
        """The response body."""
        ...


def compile_all(signature: Signature) -> dict[str, Dialect]:
    """Every dialect, for one model."""
    forms = Forms(signature)
    inference = InferenceDialect(signature)
    return {
        GRPC: GrpcInferenceDialect(signature, inference),
        INFERENCE: inference,
        KSERVE: KserveDialect(forms),
        MLFLOW: MlflowDialect(forms),
        MLFLOW_CSV: MlflowCsvDialect(signature),
        ROWS: RowsDialect(signature, forms),
    }


def decode(dialect: Dialect, body: bytes, json_bytes: int | None) -> DecodedRequest:
    """The request in a body, of which only the first `json_bytes` are JSON; None: all of it.

    Raises InvalidInput that names row and column.
    """
    if json_bytes is None:
        return dialect.decode(body)
    if not isinstance(dialect, InferenceDialect):
        raise UnsupportedMedia(
            "binary tensors are not supported here",
            field="inference-header-content-length",
            fix="send JSON, or tensors to the infer route of /v2",
        )
    return dialect.decode_binary(body, json_bytes)
