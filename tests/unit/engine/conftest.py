"""Small fitted models in folders, as a training leaves them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from mlplatform.contracts.columns import Column, Columns, Feature
from mlplatform.contracts.model import Output, Signature
from mlplatform.engine.onnx_compile import compile_onnx
from mlplatform.engine.skops import frame
from mlplatform.engine.skops_dump import dump_skops
from mlplatform.registry import manifest

FEATURES = (
    Feature(name="size", dtype="float64"),
    Feature(name="count", dtype="int64"),
    Feature(name="colour", dtype="string"),
    Feature(name="new", dtype="bool"),
)


class OwnModel(LogisticRegression):  # type: ignore[misc]
    """A class that isn't scikit-learn's, as model.py may have one."""


OWN = (f"{OwnModel.__module__}.{OwnModel.__name__}",)


def table(rows: int = 200, *, seed: int = 0) -> dict[str, Any]:
    """Feature columns with nulls in the strings."""
    draw = np.random.default_rng(seed)
    return {
        "size": draw.normal(size=rows),
        "count": draw.integers(0, 9, rows),
        "colour": draw.choice(np.array(["red", "blue", None], dtype=object), rows),
        "new": draw.random(rows) > 0.5,
    }


def signature(kind: str, *, classes: Any = ("no", "yes")) -> Signature:
    """Signature of a classification, or of a regression when `classes` is None."""
    label = "string" if classes and isinstance(classes[0], str) else "int64"
    outputs = (
        (Output(name="prediction", dtype="float64"),)
        if classes is None
        else (
            Output(name="prediction", dtype=label),
            Output(name="probabilities", dtype="float64", width=len(classes)),
        )
    )
    return Signature(
        pipeline="toys",
        task="regression" if classes is None else "classification",
        inputs=tuple(Column(name=feature.name, dtype=feature.dtype) for feature in FEATURES),
        features=FEATURES,
        outputs=outputs,
        classes=classes,
        format=kind,
        model_file=f"model.{kind}",
        features_digest="a" * 64,
        commit="c" * 40,
    )


def fitted(*, classes: Any = ("no", "yes"), last: Any = None) -> Any:
    """A fitted pipeline whose answers depend on every feature."""
    columns = table()
    weight = columns["size"] + columns["count"] - 4 + (columns["colour"] == "red") + columns["new"]
    encoder = ColumnTransformer(
        [("words", OneHotEncoder(handle_unknown="ignore"), ["colour"])],
        remainder="passthrough",
        sparse_threshold=0,
    )
    if classes is None:
        return make_pipeline(encoder, Ridge()).fit(frame(columns, FEATURES), weight)
    labels = np.where(weight > 0, classes[1], classes[0])
    return make_pipeline(encoder, LogisticRegression() if last is None else last).fit(
        frame(columns, FEATURES), labels.astype(object) if labels.dtype.kind == "U" else labels
    )


@pytest.fixture
def stored(tmp_path: Path) -> Callable[..., tuple[Path, Signature]]:
    """Write an estimator as a model folder: `stored(estimator, "onnx", classes=…)`."""

    def write(estimator: Any, kind: str, *, classes: Any = ("no", "yes")) -> tuple[Path, Signature]:
        form = signature(kind, classes=classes)
        outputs = [output.name for output in form.outputs]
        data = (
            dump_skops(estimator, OWN)
            if kind == "skops"
            else compile_onnx(estimator, FEATURES, outputs, precision="float32")
        )
        folder = tmp_path / kind
        folder.mkdir(exist_ok=True)
        (folder / form.model_file).write_bytes(data)
        (folder / "signature.json").write_text(form.model_dump_json())
        manifest.write(folder)
        return folder, form

    return write


def same(left: Columns, right: Columns) -> bool:
    """Equal labels, and numbers within float32."""
    return all(
        np.array_equal(left[name], right[name])
        if left[name].dtype.kind in "Oi"
        else np.allclose(left[name], right[name], atol=1e-5)
        for name in left
    )


@pytest.fixture
def toys() -> SimpleNamespace:
    """The makers above, for tests."""
    return SimpleNamespace(
        fitted=fitted,
        table=table,
        same=same,
        frame=frame,
        features=FEATURES,
        own=OwnModel,
        trusted=OWN,
    )
