"""Validate the dataset by the definition's own bounds, with pandera: all complaints at once."""

from __future__ import annotations

import gc
from collections import Counter
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
        *_weights(rows, pinned.definition),
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
    # What a person has given up, with a reason, is no longer a question of quality.
    quarantined = progress.quarantined - progress.dropped
    seen = progress.featured + progress.quarantined
    if seen and quarantined / seen > bounds.max_quarantined_share:
        found.append(
            f"{quarantined} of {seen} rows are in quarantine, "
            f"max_quarantined_share is {bounds.max_quarantined_share:g}"
        )
    return found


def _columns(
    rows: LabelledRows, features: Sequence[Feature], definition: PipelineDefinition
) -> list[str]:
    """One column after the other: pandera copies what it looks at."""
    if not len(rows):
        return []
    complaints = {"a (request_id, row) occurs twice"} if _repeated(rows) else set[str]()
    for feature in features:
        values = rows.features[feature.name]
        data = pd.DataFrame({feature.name: pd.Series(values, dtype=values.dtype, copy=False)})
        try:
            _schema(feature, definition).validate(data, lazy=True)
        except SchemaErrors as errors:
            cases = errors.failure_cases.to_dict("records")
            complaints |= {_described(case, definition) for case in cases}
    gc.collect()  # pandera's objects refer to one another, and would hold every column
    return sorted(complaints)


def _repeated(rows: LabelledRows) -> bool:
    """Whether two rows have one identity.

    Rows come in the order of (request_id, row), in which equal ones are neighbours. Rows in another
    order are all compared, which takes more memory.
    """
    before, after = rows.request_ids[:-1], rows.request_ids[1:]
    ascending = rows.rows[:-1] < rows.rows[1:]
    if np.all((before < after) | ((before == after) & ascending)):
        return False
    return bool(
        pd.DataFrame({"id": rows.request_ids.astype(np.object_), "row": rows.rows})
        .duplicated()
        .any()
    )


def _schema(feature: Feature, definition: PipelineDefinition) -> pa.DataFrameSchema:
    most = definition.validation.max_null_share
    known = pa.Check(
        lambda values: float(values.isna().mean()) <= most,
        name="nulls",
        error="nulls",
        ignore_na=False,
    )
    finite = pa.Check(
        lambda values: not np.isinf(values.to_numpy(dtype=np.float64, na_value=np.nan)).any(),
        error="infinite",
        ignore_na=False,
    )
    checks = [known, finite] if feature.dtype == "float64" else [known]
    return pa.DataFrameSchema({feature.name: pa.Column(checks=checks, nullable=True)})


def _described(case: dict[str, Any], definition: PipelineDefinition) -> str:
    if case["check"] == "nulls":
        return f"more than {definition.validation.max_null_share:.0%} of {case['column']} is null"
    if case["check"] == "infinite":
        return f"{case['column']} holds infinities"
    return f"{case['column']}: {case['check']}"


def _labels(rows: LabelledRows, definition: PipelineDefinition) -> list[str]:
    if definition.task == "regression":
        return (
            ["labels hold nulls"]
            if len(rows) and np.isnan(rows.labels.astype(np.float64, copy=False)).any()
            else []
        )
    counts = Counter[str]()
    for name, count in pd.Series(rows.labels).value_counts(dropna=False).items():
        counts[str(name)] += int(count)
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


def _weights(rows: LabelledRows, definition: PipelineDefinition) -> list[str]:
    if rows.weights is None or not len(rows) or rows.weights.any():
        return []
    return [f"{definition.weight} is 0 in all rows: none counts"]
