"""Validate the dataset by the definition's own bounds, with pandera: all complaints at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from mlplatform.contracts.columns import Feature
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.contracts.pipeline_status import FeaturesProgress
from mlplatform.errors import InvalidInput
from mlplatform.trainer.labelled_rows import LabelledRows
from mlplatform.trainer.results import Pinned


def validate(rows: LabelledRows, pinned: Pinned, progress: FeaturesProgress) -> None:
    """Return when the dataset holds what the definition requires.

    Raises InvalidInput that lists everything that is wrong. `progress` counts the rows of this
    features digest as etl reports them.
    """
    complaints = [
        *_counts(rows, pinned.definition, progress),
        *_columns(rows, pinned.features.features, pinned.definition),
        *_labels(rows, pinned.definition),
    ]
    if complaints:
        raise InvalidInput(
            f"the dataset is not fit for training: {'; '.join(complaints)}", field="validation"
        )


def _counts(
    rows: LabelledRows, definition: PipelineDefinition, progress: FeaturesProgress
) -> list[str]:
    bounds, found = definition.validation, []
    if len(rows) < bounds.min_rows:
        found.append(f"{len(rows)} labelled rows, min_rows is {bounds.min_rows}")
    quarantined = progress.quarantined
    seen = progress.featured + quarantined
    if seen and quarantined / seen > bounds.max_quarantined_share:
        found.append(
            f"{quarantined} of {seen} rows are in quarantine, "
            f"max_quarantined_share is {bounds.max_quarantined_share:g}"
        )
    return found


def _columns(
    rows: LabelledRows, features: Sequence[Feature], definition: PipelineDefinition
) -> list[str]:
    if not len(rows):
        return []
    try:
        _schema(features, definition).validate(_frame(rows), lazy=True)
    except SchemaErrors as errors:
        return sorted(
            {_described(case, definition) for case in errors.failure_cases.to_dict("records")}
        )
    return []


def _frame(rows: LabelledRows) -> pd.DataFrame:
    columns: dict[str, Any] = {
        name: pd.Series(values, dtype=values.dtype) for name, values in rows.features.items()
    }
    return pd.DataFrame(columns | {"request_id": rows.request_ids, "row": rows.rows})


def _schema(features: Sequence[Feature], definition: PipelineDefinition) -> pa.DataFrameSchema:
    most = definition.validation.max_null_share
    known = pa.Check(
        lambda values: float(values.isna().mean()) <= most,
        name="nulls",
        error="nulls",
        ignore_na=False,
    )
    varied = pa.Check(
        lambda values: not np.isinf(values.to_numpy(dtype=np.float64, na_value=np.nan)).any(),
        error="infinite",
        ignore_na=False,
    )
    columns = {
        feature.name: pa.Column(
            checks=[known, varied] if feature.dtype == "float64" else [known], nullable=True
        )
        for feature in features
    }
    return pa.DataFrameSchema(
        columns | {"request_id": pa.Column(nullable=False), "row": pa.Column(int)},
        unique=["request_id", "row"],
    )


def _described(case: dict[str, Any], definition: PipelineDefinition) -> str:
    if case["check"] == "nulls":
        return f"more than {definition.validation.max_null_share:.0%} of {case['column']} is null"
    if case["check"] == "infinite":
        return f"{case['column']} holds infinities"
    if "unique" in str(case["check"]):
        return "a (request_id, row) occurs twice"
    return f"{case['column']}: {case['check']}"


def _labels(rows: LabelledRows, definition: PipelineDefinition) -> list[str]:
    if definition.task == "regression":
        return (
            ["labels hold nulls"]
            if len(rows) and np.isnan(rows.labels.astype(np.float64)).any()
            else []
        )
    counts = dict(zip(*np.unique(rows.labels.astype(str), return_counts=True), strict=True))
    least = definition.tuning.folds + 1  # one row for each fold, and one to hold out
    expected = definition.target.values or tuple(counts)  # noqa: PD011 - no data frame
    found = [
        f"class '{name}' has {counts.get(name, 0)} rows, {least} are needed"
        for name in expected
        if counts.get(name, 0) < least
    ]
    strange = sorted(set(counts) - set(expected))
    found += [f"labels outside target.values: {', '.join(strange)}"] if strange else []
    return found + (["there is only one class"] if len(rows) and len(counts) < 2 else [])
