"""The example pipelines: sound definitions, honest data, features that see one row at a time."""

from __future__ import annotations

import json
import runpy
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mlplatform.contracts.cases import CaseFile
from mlplatform.contracts.columns import Column, Columns
from mlplatform.errors import UnknownName
from mlplatform.features import code
from mlplatform.features.checks import check
from mlplatform.features.parse import to_columns
from mlplatform.local.tour.history import history, live, names
from mlplatform.source.pipeline_files import PipelineFiles, read

FOLDER = Path(__file__).parents[3] / "pipelines"
NAMES = sorted(path.parent.name for path in FOLDER.glob("*/pipeline.yaml"))
FILES: dict[str, PipelineFiles] = {name: read(FOLDER / name) for name in NAMES}
FEATURES = {
    name: code.load(files.definition, files.features, digest=None) for name, files in FILES.items()
}


def _columns(name: str, rows: list[dict[str, Any]]) -> Columns:
    declared = FILES[name].definition.columns
    columns, faults = to_columns(
        {column.name: [row[column.name] for row in rows] for column in declared}, declared
    )
    assert [] == faults
    return columns


def test_there_are_three() -> None:
    """A classifier, a regressor and one with mixed columns, each with rows to show it by."""
    assert NAMES == names() == ["breast-cancer", "diabetes", "late-delivery"]


@pytest.mark.parametrize("name", NAMES)
def test_the_rows_keep_the_contract(name: str) -> None:
    """History and live rows fit the definition, survive JSON, are disjoint and reproducible."""
    definition = FILES[name].definition
    old, new = list(history(name)), list(live(name))
    fields = {column.name for column in definition.columns} | {
        definition.target.name,
        definition.key,
        definition.time,
    } - {None}

    assert old + new == json.loads(json.dumps(old + new))
    assert {frozenset(row) for row in old + new} == {frozenset(fields)}
    assert [] == check(_columns(name, old + new), definition.columns)
    assert len({row[definition.key] for row in old + new}) == len(old + new)
    assert list(islice(history(name), 5)) == old[:5]
    if definition.time:
        times = [row[definition.time] for row in old + new]
        assert times == sorted(times)
    if classes := definition.target.values:  # noqa: PD011  (no data frame)
        assert {row[definition.target.name] for row in old} == set(classes)


def test_no_rows_for_a_stranger() -> None:
    """Only the examples have rows; the refusal names them."""
    with pytest.raises(UnknownName, match="breast-cancer, diabetes, late-delivery"):
        next(history("loans"))


def test_the_parcels_drift() -> None:
    """What `swift` brings late grows over the history: a model must be retrained."""
    rows = [row for row in history("late-delivery") if row["carrier"] == "swift"]
    thirds = [rows[: len(rows) // 3], rows[-len(rows) // 3 :]]
    early, late = (sum(row["outcome"] == "late" for row in part) / len(part) for part in thirds)

    assert late > early + 0.15


@pytest.mark.parametrize("name", NAMES)
def test_the_cases_fit_the_definition(name: str) -> None:
    """cases.yaml names rows, columns and classes that exist, and its rows pass the checks."""
    files = FILES[name]
    assert files.cases is not None
    cases = CaseFile.parse(yaml.safe_load(files.cases.read_bytes()), files.definition)
    rows = [dict(row) for case in cases.cases for row in cases.inputs(case)]

    assert len(cases.cases) >= 4
    assert [] == check(_columns(name, rows), files.definition.columns)


@pytest.mark.parametrize("name", NAMES)
def test_the_model_learns_from_the_features(name: str) -> None:
    """`build` gives an unfitted estimator that fits the features, for each corner of the space."""
    rows = list(islice(history(name), 300))
    frame = pd.DataFrame(FEATURES[name].apply(_columns(name, rows)))
    definition = FILES[name].definition
    target = [row[definition.target.name] for row in rows]
    build = runpy.run_path(str(FILES[name].model))["build"]
    space = definition.tuning.space
    for end in (0, -1):
        model = build({parameter: values[end] for parameter, values in space.items()}).fit(
            frame, target
        )
        assert model.score(frame, target) > 0.4


def _value(column: Column) -> st.SearchStrategy[Any]:
    if column.dtype == "string":
        allowed = column.values  # noqa: PD011  (no data frame)
        values: st.SearchStrategy[Any] = (
            st.sampled_from(allowed)
            if allowed
            else st.text(st.characters(codec="ascii", min_codepoint=32), max_size=3)
        )
    elif column.dtype == "bool":
        values = st.booleans()
    elif column.dtype == "int64":
        values = st.integers(int(column.min or 0), int(column.max or 100))
    else:
        values = st.floats(column.min or 0.0, column.max or 100.0, allow_nan=False)
    return st.none() | values if column.nullable else values


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=25)
def test_a_batch_gives_what_each_row_alone_gives(name: str, data: st.DataObject) -> None:
    """Features see one row at a time: one row and thousands come out bit for bit the same."""
    declared = FILES[name].definition.columns
    rows = data.draw(
        st.lists(
            st.fixed_dictionaries({column.name: _value(column) for column in declared}),
            min_size=1,
            max_size=4,
        )
    )
    batch = FEATURES[name].apply(_columns(name, rows))
    alone = [FEATURES[name].apply(_columns(name, [row])) for row in rows]

    for feature in FEATURES[name].features:
        joined = np.concatenate([single[feature.name] for single in alone])
        assert (
            joined.tobytes() == batch[feature.name].tobytes()
            if joined.dtype != object
            else joined.tolist() == batch[feature.name].tolist()
        )
