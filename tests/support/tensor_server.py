"""Serving in memory: the real dialect of tensors behind a transport of httpx, without a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec

from mlplatform.contracts.columns import Column, Feature
from mlplatform.contracts.model import Output, Signature
from mlplatform.contracts.request_inputs import RecordedInputs, columns_of
from mlplatform.errors import PlatformError
from mlplatform.serving.dialects.binary_tensors import BinaryAnswer
from mlplatform.serving.dialects.inference import InferenceDialect
from mlplatform.serving.request import Prediction
from mlplatform.web import problem

COLUMNS = (
    Column(name="width", dtype="float64", nullable=True),
    Column(name="count", dtype="int64"),
    Column(name="ready", dtype="bool"),
    Column(name="colour", dtype="string", nullable=True),
)
DATATYPES = {"width": "FP64", "count": "INT64", "ready": "BOOL", "colour": "BYTES"}
JSON_BYTES = "inference-header-content-length"


def signature() -> Signature:
    """A model of all types of columns, with key and time."""
    return Signature(
        pipeline="flowers",
        task="classification",
        inputs=COLUMNS,
        key="plant",
        time="seen_at",
        features=tuple(Feature(name=each.name, dtype=each.dtype) for each in COLUMNS),
        outputs=(
            Output(name="prediction", dtype="string"),
            Output(name="probabilities", dtype="float64", width=2),
        ),
        classes=("no", "yes"),
        format="onnx",
        model_file="model.onnx",
        features_digest="0" * 64,
        commit="c",
    )


@dataclass
class TensorServer:
    """Answers each row with its colour; `requests` are the columns that it has taken.

    `before` may raise a PlatformError, which is answered instead; it gets the number of rows.
    """

    before: Callable[[int], None] = lambda _: None
    requests: list[dict[str, list[Any]]] = field(default_factory=list)
    binary: int = 0

    def answer(self, request: httpx.Request) -> httpx.Response:
        """The page of metadata, or an answer."""
        if request.method == "GET":
            inputs = [
                {"name": name, "datatype": kind, "shape": [-1]} for name, kind in DATATYPES.items()
            ]
            about: dict[str, Any] = {"name": "flowers", "versions": ["3"], "platform": "onnx"}
            about |= {"inputs": inputs, "outputs": [], "parameters": {"classes": ["no", "yes"]}}
            return httpx.Response(200, json=about)
        try:
            return self._predicted(request)
        except PlatformError as error:
            found = problem.answer(error)
            return httpx.Response(found.status, content=found.body)

    def _predicted(self, request: httpx.Request) -> httpx.Response:
        dialect, length = InferenceDialect(signature()), request.headers.get(JSON_BYTES)
        body = request.content
        decoded = dialect.decode_binary(body, int(length)) if length else dialect.decode(body)
        self.before(decoded.rows)
        inputs = columns_of(msgspec.json.decode(decoded.body, type=RecordedInputs), decoded.rows)
        self.requests.append(inputs)
        self.binary += bool(length)
        chances = [[0.25, 0.75]] * decoded.rows
        outputs = {"prediction": [str(each) for each in inputs["colour"]], "probabilities": chances}
        answer = Prediction(f"id-{len(self.requests)}", "flowers", "3", decoded, outputs)
        encoded = dialect.encode(answer)
        assert isinstance(encoded, BinaryAnswer)
        headers = {JSON_BYTES: str(encoded.json_bytes)}
        return httpx.Response(200, content=encoded.body, headers=headers)
