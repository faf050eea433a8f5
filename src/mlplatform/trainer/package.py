"""A model that somebody trained elsewhere, as the model folder that serving loads.

The way is that of a training run from the export on: ONNX where it is proven equal to scikit-learn
on the example rows and generated ones, else skops; and the trial by which serving loads a model.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier, is_regressor

from mlplatform.contracts.columns import DType
from mlplatform.contracts.pipeline import (
    PIPELINE_NAME,
    Gate,
    Metric,
    PipelineDefinition,
    Target,
    Tuning,
)
from mlplatform.engine.boosters.defaults import absent
from mlplatform.engine.limits import TrialLimits
from mlplatform.engine.trials import Trials
from mlplatform.errors import InvalidInput
from mlplatform.features.code import load as load_features
from mlplatform.settings import Settings
from mlplatform.source.pipeline_files import PipelineFiles
from mlplatform.trainer import example_rows
from mlplatform.trainer.example_rows import ExampleRows
from mlplatform.trainer.labelled_rows import LabelledRows
from mlplatform.trainer.results import Pinned, SplitRows, TrainedModel
from mlplatform.trainer.steps.export import export
from mlplatform.trainer.steps.try_model import try_model

_COMMIT = "packaged"
"""In place of a commit: this model's code is in no repository that we know."""


def package(
    settings: Settings, model: str, example: Path, folder: Path, *, name: str, target: str
) -> TrainedModel:
    """Write the model folder, opened again as serving will open it.

    `model` is a joblib file or `file.py:function`; either runs its author's code here. Raises
    InvalidInput (the model, the rows), Refused, UnfitModel or IntegrityFailure where no export can
    serve.
    """
    _refuse_name(name)
    estimator, rows = _estimator(model), example_rows.read(example, target)
    definition = _definition(estimator, rows, name, target)
    features = load_features(definition, None, digest=None)
    files = PipelineFiles(definition, None, Path(model), None)
    pinned = Pinned(definition, _COMMIT, features.digest, files, features)
    labelled = _labelled(estimator, rows)
    parts = SplitRows(train=labelled, test=labelled)
    registry = settings.registry
    limits = TrialLimits(registry.load_s, registry.load_memory_bytes)
    trials = Trials(limits, trusted=registry.skops_trusted)
    known = {name: values[:1] for name, values in rows.table.items()}
    trial = partial(try_model, pinned=pinned, trials=trials, history=lambda: known)
    trusted = registry.skops_trusted
    return export(estimator, pinned, parts, folder, trusted, open_model=trials.open, trial=trial)


def _refuse_name(name: str) -> None:
    if not re.fullmatch(PIPELINE_NAME, name):
        raise InvalidInput(
            f"a model can't be called {name!r}",
            field="--name",
            fix="lower-case letters, digits and hyphens, 2 to 41 of them, a letter first",
        )


def _estimator(model: str) -> Any:
    path, _, function = model.partition(":")
    file = Path(path)
    if not file.is_file():
        raise InvalidInput(
            f"there is no file {file}",
            field="MODEL",
            fix="name a .joblib file, or file.py:function",
        )
    try:
        made = getattr(_module(file), function)() if function else joblib.load(file)
    except Exception as error:  # code of others
        if refusal := absent(error):
            raise refusal from error
        raise InvalidInput(
            f"can't get the model out of {model}: {type(error).__name__}: {error}", field="MODEL"
        ) from error
    if not hasattr(made, "predict"):
        raise InvalidInput(
            f"{model} gives a {type(made).__name__}, not a fitted estimator", field="MODEL"
        )
    return made


def _module(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"mlplatform_packaged_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)
    return module


def _definition(estimator: Any, rows: ExampleRows, name: str, target: str) -> PipelineDefinition:
    classifies = is_classifier(estimator)
    if not classifies and not is_regressor(estimator):
        raise InvalidInput(
            f"a {type(estimator).__name__} is neither a classifier nor a regressor", field="MODEL"
        )
    metric: Metric = "accuracy" if classifies else "r2"
    dtype = _target_type(estimator.classes_) if classifies else "float64"
    document = {
        "name": name,
        "description": f"{type(estimator).__name__}, trained elsewhere and packaged",
        "task": "classification" if classifies else "regression",
        "columns": [column.model_dump(exclude_none=True) for column in rows.columns],
        "target": Target(name=target, dtype=dtype).model_dump(exclude_none=True),
        # Nothing is searched or judged here, and a definition needs both.
        "tuning": Tuning(metric=metric).model_dump(exclude_none=True),
        "gates": [Gate(metric=metric, max=1).model_dump(exclude_none=True)],
    }
    return PipelineDefinition.parse(document, where="the packaged model's definition")


def _target_type(classes: NDArray[Any]) -> DType:
    kind = np.asarray(classes).dtype.kind
    if kind == "b":
        return "bool"
    return "int64" if kind in "iu" else "string"


def _labelled(estimator: Any, rows: ExampleRows) -> LabelledRows:
    """The rows with their labels, or with the model's own answers where the file has none."""
    labels = rows.labels if rows.labels is not None else np.asarray(estimator.predict(rows.frame))
    count = len(rows.frame)
    return LabelledRows(
        request_ids=np.full(count, "", dtype=np.object_),
        rows=np.arange(count),
        keys=np.full(count, None, dtype=np.object_),
        times=np.full(
            count, np.datetime64(datetime.now(UTC).replace(tzinfo=None)), "datetime64[us]"
        ),
        labels=labels.astype(np.int64) if labels.dtype == np.bool_ else labels,
        features=dict(rows.table),
    )
