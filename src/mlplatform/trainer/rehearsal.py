"""A pipeline that was not applied yet, tried without a platform.

With rows of a file the whole way is taken that matters for code: columns, features, split, fit with
the first value of each parameter, export with its proof, the trial by which serving loads a model,
and the cases. Nothing is tuned, and no gate is judged: the rows are a sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlplatform.contracts.apply_rules import check_features, check_library
from mlplatform.contracts.columns import Columns, length
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.engine.limits import TrialLimits
from mlplatform.engine.trials import Trials
from mlplatform.errors import InvalidInput, Refused
from mlplatform.features.apart import load_apart
from mlplatform.features.checks import check
from mlplatform.features.code import FeatureSet, load
from mlplatform.features.digest import features_digest
from mlplatform.features.key import key_text
from mlplatform.features.moment import moment
from mlplatform.features.parse import to_columns
from mlplatform.features.redact import Redactor
from mlplatform.features.weight import weights
from mlplatform.settings import RegistrySettings
from mlplatform.source.pipeline_files import PipelineFiles
from mlplatform.trainer.early_stopping import require_booster
from mlplatform.trainer.estimator import Build, builder
from mlplatform.trainer.labelled_rows import LabelledRows
from mlplatform.trainer.ray.suited import require_suited
from mlplatform.trainer.results import Pinned, SplitRows, TrainedModel
from mlplatform.trainer.steps.evaluate import evaluate
from mlplatform.trainer.steps.export import export
from mlplatform.trainer.steps.pin import check_slices
from mlplatform.trainer.steps.run_cases import run_cases
from mlplatform.trainer.steps.split import hold_out
from mlplatform.trainer.steps.train import train
from mlplatform.trainer.steps.try_model import try_model

LIMIT_S = 20.0
"""For one call of features.py."""
_COMMIT = "not applied"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Rehearsal:
    """What was tried: how many rows, and what became of the model. Without rows only the files."""

    pipeline: str
    rows: int = 0
    format: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)


def rehearse(
    files: PipelineFiles, rows: Sequence[Row], registry: RegistrySettings, folder: Path
) -> Rehearsal:
    """Try a pipeline on labelled rows, or without any. `folder` is for the model, and empty.

    Runs features.py in a child process and model.py in this one. Raises InvalidInput that names the
    file, column, row or case, and Refused, UnfitModel or IntegrityFailure as an export does.
    """
    definition = files.definition
    check_library(definition)
    rows = _redacted(definition, rows)
    features = _features(files, raw := _columns(files, rows) if rows else None)
    check_features(definition, features.features)
    check_slices(definition, features)
    pinned = Pinned(definition, _COMMIT, features.digest, files, features)
    build, first = _build(pinned)
    if raw is None:
        build(first)
        return Rehearsal(definition.name)
    parts = SplitRows(*hold_out(_labelled(pinned, raw, rows), definition))
    model = _exported(train(build, parts.train, pinned, first), pinned, parts, registry, folder)
    _require_cases(pinned, model)
    found = evaluate(model.engine, model.signature, parts.test, definition)
    return Rehearsal(definition.name, len(rows), model.signature.format, found.metrics)


def _redacted(definition: PipelineDefinition, rows: Sequence[Row]) -> Sequence[Row]:
    """The rows with hashes of another key than the platform's: a model can't see the difference."""
    rules = Redactor(definition.name, definition.redact, b"rehearsal")
    return [rules.row(row) for row in rows] if definition.redact else rows


def _build(pinned: Pinned) -> tuple[Build, dict[str, Any]]:
    """What builds the estimator, tried with one end of the space, and the other end."""
    build, (first, last) = builder(pinned), pinned.definition.tuning.ends()
    built = build(last)
    if pinned.definition.early_stopping is not None:
        require_booster(built)
    require_suited(pinned.definition, built)
    return build, first


def _columns(files: PipelineFiles, rows: Sequence[Row]) -> Columns:
    """The raw columns of rows that etl would not put into quarantine."""
    declared = files.definition.inputs
    values = {column.name: [row.get(column.name) for row in rows] for column in declared}
    columns, faults = to_columns(values, declared)
    faults = faults or check(columns, declared)
    if faults:
        raise InvalidInput(
            f"etl would put {len(faults)} values into quarantine: {faults[0]}",
            field=f"pipelines/{files.definition.name}/pipeline.yaml",
            fix="declare what rows may hold, or correct the rows",
        )
    return columns


def _features(files: PipelineFiles, raw: Columns | None) -> FeatureSet:
    definition, source = files.definition, files.features
    digest = features_digest(definition, source)
    if source is None:
        return load(definition, None, digest=digest, history=lambda: raw)
    return load_apart(
        definition, source, digest=digest, limit_s=LIMIT_S, history=lambda: raw, as_served=True
    )


def _labelled(pinned: Pinned, raw: Columns, rows: Sequence[Row]) -> LabelledRows:
    definition, count = pinned.definition, len(rows)
    times = [_time(row.get(definition.time or ""), at) for at, row in enumerate(rows)]
    keys = [key_text(row.get(definition.key or ""))[0] for row in rows]
    labels = [row.get(definition.target.name) for row in rows]
    known = np.array([not definition.target.lacks(label) for label in labels])
    if not known.any():
        raise InvalidInput(
            f"no row has a {definition.target.name}", field="--rows", fix="give labelled rows"
        )
    features = pinned.features.apply(raw)
    assert length(features) == count
    return LabelledRows(
        request_ids=np.array([f"{at:09d}" for at in range(count)], np.object_)[known],
        rows=np.zeros(count, np.int64)[known],
        keys=np.array(keys, np.object_)[known],
        times=np.array([at.replace(tzinfo=None) for at in times], "datetime64[us]")[known],
        labels=_labels([label for label in labels if not definition.target.lacks(label)], pinned),
        features={name: values[known] for name, values in features.items()},
        weights=_weights(pinned, rows)[known] if definition.weight else None,
    )


def _weights(pinned: Pinned, rows: Sequence[Row]) -> NDArray[np.float64]:
    name = pinned.definition.weight or ""
    found, faults = weights([row.get(name) for row in rows], name)
    if faults:
        raise InvalidInput(
            f"etl would put {len(faults)} rows into quarantine: {faults[0]}", field="--rows"
        )
    return np.where(np.isnan(found), 1.0, found)


def _labels(labels: Sequence[Any], pinned: Pinned) -> NDArray[Any]:
    target = pinned.definition.target
    values = target.values
    for label in labels:
        fits = isinstance(label, str) if target.dtype == "string" else not isinstance(label, str)
        if not fits or (values is not None and label not in values):
            raise InvalidInput(
                f"'{label}' is not a {target.name} that pipeline.yaml declares", field="--rows"
            )
    # Classes are numbers or texts, as in a dataset.
    kinds: dict[str, Any] = {"float64": np.float64, "int64": np.int64, "bool": np.int64}
    return np.array(labels, np.object_).astype(kinds.get(target.dtype, np.object_))


def _time(value: Any, at: int) -> datetime:
    if value in (None, ""):
        return _EPOCH
    found = moment(value)
    if isinstance(found, str):
        raise InvalidInput(f"row {at}: {found}", field="--rows")
    return found


def _exported(
    estimator: Any, pinned: Pinned, parts: SplitRows, registry: RegistrySettings, folder: Path
) -> TrainedModel:
    trusted = registry.skops_trusted
    trials = Trials(TrialLimits(registry.load_s, registry.load_memory_bytes), trusted=trusted)
    trial = partial(try_model, pinned=pinned, trials=trials, history=lambda: None)
    return export(estimator, pinned, parts, folder, trusted, open_model=trials.open, trial=trial)


def _require_cases(pinned: Pinned, model: TrainedModel) -> None:
    failed = [each for each in run_cases(pinned, model) if each.complaint]
    if failed:
        raise Refused(
            f"{len(failed)} cases fail, first '{failed[0].name}': {failed[0].complaint}",
            field=f"pipelines/{pinned.definition.name}/cases.yaml",
            fix="a model of these rows does not keep it: correct the case, or the model",
        )
