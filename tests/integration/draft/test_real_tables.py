"""A pipeline that `new` writes for a real table is applied, trained, exported, and sound."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import opened
import pandas as pd
import pytest
from real_tables import TABLES

from mlplatform.contracts.columns import Columns
from mlplatform.dataapi.rows import csv
from mlplatform.draft.make import Draft, draft, write
from mlplatform.draft.plan import Choice
from mlplatform.features.apart import load_apart
from mlplatform.features.checks import check
from mlplatform.features.code import load
from mlplatform.features.digest import features_digest
from mlplatform.features.parse import to_columns
from mlplatform.source.pipeline_files import PipelineFiles, read
from mlplatform.trainer.estimator import builder
from mlplatform.trainer.labelled_rows import LabelledRows
from mlplatform.trainer.results import Parts, Pinned
from mlplatform.trainer.steps.export import export
from mlplatform.trainer.steps.run_cases import run_cases
from mlplatform.trainer.steps.split import hold_out
from mlplatform.trainer.steps.train import train

BATCH = 20_000


def _drafted(name: str, folder: Path) -> tuple[Draft, PipelineFiles, Path]:
    table, target = TABLES[name]()
    file = folder / f"{name}.csv"
    table.to_csv(file, index=False)
    made = draft(name, file, Choice(target=target), lambda *_: None)
    write(made, folder / "pipelines" / name)
    return made, read(folder / "pipelines" / name), file


def _imported(file: Path, files: PipelineFiles) -> dict[str, list[Any]]:
    """The values of each field, as the data API reads them from the very same file."""
    with file.open("rb") as body:
        records = list(csv.read(body, files.definition))
    assert {""} == {record.reason for record in records}
    rows = [json.loads(record.inputs) for record in records]
    return {name: [row[name][0] for row in rows] for name in rows[0]}


def _checked(values: dict[str, list[Any]], files: PipelineFiles) -> Columns:
    """The raw columns, of which etl would put no row into quarantine."""
    columns = files.definition.columns
    typed, faults = to_columns({each.name: values[each.name] for each in columns}, columns)
    assert [] == faults
    assert [] == check(typed, columns)
    return typed


def _labelled(values: dict[str, list[Any]], features: Columns, files: PipelineFiles) -> Any:
    definition, count = files.definition, len(next(iter(values.values())))
    labels = values[definition.target.name]
    times = values[definition.time] if definition.time else ["2026-01-01"] * count
    known = np.array([label is not None for label in labels])
    dtype = {"float64": np.float64, "int64": np.int64}.get(definition.target.dtype, np.object_)
    return LabelledRows(
        request_ids=np.array([f"{at:06d}" for at in range(count)], np.object_)[known],
        rows=np.zeros(count, np.int64)[known],
        keys=np.full(count, None, np.object_)[known],
        times=pd.to_datetime(pd.Series(times), format="ISO8601").to_numpy("datetime64[us]")[known],
        labels=np.array(labels, np.object_)[known].astype(dtype),
        features={name: column[known] for name, column in features.items()},
    )


@pytest.mark.parametrize("name", TABLES)
def test_a_draft_is_applied_and_trained(name: str, tmp_path: Path) -> None:
    """No row of the file is refused, the model is proven equal as ONNX, and the cases hold."""
    made, files, file = _drafted(name, tmp_path)
    values = _imported(file, files)
    digest = features_digest(files.definition, files.features)
    if files.features is not None:
        load_apart(files.definition, files.features, digest=digest, limit_s=20, as_served=True)
    features = load(files.definition, files.features, digest=digest)
    pinned = Pinned(files.definition, "c" * 40, digest, files, features)
    rows = _labelled(values, features.apply(_checked(values, files)), files)
    receipt: Any = None  # not read
    parts = Parts(*hold_out(rows, files.definition), columns={}, receipt=receipt)
    estimator = train(builder(pinned), parts.train, pinned, {})
    model = export(estimator, pinned, parts, tmp_path / "model", (), open_model=opened.here)

    assert "onnx" == model.signature.format
    assert [] == [each.complaint for each in run_cases(pinned, model) if each.complaint]
    assert made.found.surely <= made.found.score
