"""Small real models in plain NumPy, so that unit tests need neither ONNX nor scikit-learn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from mlplatform.contracts.blocks import BlockLayout
from mlplatform.contracts.columns import Column, Columns, Feature
from mlplatform.contracts.model import Output, Signature
from mlplatform.contracts.promotion import ModelVersion
from mlplatform.features.acceptance import accept
from mlplatform.features.code import FeatureSet
from mlplatform.serving.model import LoadedModel
from mlplatform.serving.request import DecodedRequest, PendingRequest

COLUMNS = (
    Column(name="age", dtype="int64"),
    Column(name="bmi", dtype="float64", nullable=True),
    Column(name="class", dtype="string", nullable=True),
    Column(name="smoker", dtype="bool"),
)
LAYOUT = BlockLayout(COLUMNS)


class Doubling:
    """Predicts twice the bmi; fails on a negative age with an error of its own."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def predict(self, features: Columns) -> Columns:
        """See Engine.predict."""
        self.calls.append(len(features["bmi"]))
        if (features["age"] < 0).any():
            raise ValueError("a negative age")
        return {"prediction": features["bmi"] * 2}


def make_signature(**changes: Any) -> Signature:
    """A regression over every type of column."""
    facts: dict[str, Any] = {
        "pipeline": "ward",
        "task": "regression",
        "inputs": COLUMNS,
        "key": "patient",
        "time": "seen_at",
        "features": tuple(Feature(name=column.name, dtype=column.dtype) for column in COLUMNS),
        "outputs": (Output(name="prediction", dtype="float64"),),
        "format": "onnx",
        "model_file": "model.onnx",
        "features_digest": "0" * 64,
        "commit": "c",
    }
    return Signature(**facts | changes)


def make_version(number: str = "1") -> ModelVersion:
    """Facts of a version."""
    return ModelVersion(
        pipeline="ward",
        version=number,
        state="champion",
        run_id="run",
        artifacts="a/b",
        manifest_sha256=number * 64,
        features_digest="0" * 64,
        commit="c",
        format="onnx",
        receipt_id="receipt",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def make_model(engine: Any = None, *, number: str = "1") -> LoadedModel:
    """A model whose calls are taken as fast."""
    signature = make_signature()
    features = FeatureSet(
        digest="0" * 64,
        inputs=COLUMNS,
        engineer=None,
        where="",
        accepted=accept(None, COLUMNS, "", None),
    )
    return LoadedModel(make_version(number), signature, features, engine or Doubling())


def make_pending(
    bmi: float | None = 1.0, *, age: int = 1, rows: int = 1, caller: str = "me"
) -> PendingRequest:
    """A request of equal rows; needs a running loop."""
    columns = [[age] * rows, [bmi] * rows, ["a"] * rows, [True] * rows]
    request = DecodedRequest.of_columns(LAYOUT, columns, rows)
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    return PendingRequest(
        request,
        request_id="id",
        pipeline="ward",
        version="1",
        caller=caller,
        dialect="rows",
        received_us=1,
        done=done,
    )


@pytest.fixture
def scene() -> Mapping[str, Callable[..., Any]]:
    """The builders above, for test modules (which can't import a conftest)."""
    return {
        "signature": make_signature,
        "version": make_version,
        "model": make_model,
        "pending": make_pending,
        "engine": Doubling,
        "table": _table,
    }


def _table(bmi: list[float]) -> Columns:
    return {
        "age": np.array([1] * len(bmi)),
        "bmi": np.array(bmi),
        "class": np.array(["a"] * len(bmi), dtype=object),
        "smoker": np.array([True] * len(bmi)),
    }
