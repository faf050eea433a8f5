"""The files of a pipeline: what an apply refuses, with its line, and what stays readable."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.errors import InvalidInput
from mlplatform.source.pipeline_files import read, read_applied, read_cases

PIPELINE = """\
name: loans
description: Whether a loan will be paid back.
task: classification
columns:
  - {name: income, dtype: float64}
  - {name: city, dtype: string}
target: {name: paid, dtype: string, values: ["no", "yes"]}
tuning: {metric: roc_auc, space: {c: [1e-2, 0.1]}}
gates:
  - {metric: roc_auc, min: 8e-1}
"""
CASES = """\
rows:
  usual:
    income: 3
    city: Bonn
cases:
  - {name: pays back, kind: exact, row: usual, expect: "yes"}
  - {name: is sure, kind: bounds, row: usual, with: {income: 9}, of: "yes", min: 5e-1}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A pipeline without a mistake."""
    made = tmp_path / "loans"
    made.mkdir()
    for name, text in (("pipeline.yaml", PIPELINE), ("cases.yaml", CASES), ("model.py", "")):
        (made / name).write_text(text)
    return made


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()

    assert old in text

    path.write_text(text.replace(old, new))


def test_numbers_of_yaml_1_2_are_numbers(folder: Path) -> None:
    """1e-2 needs no point: neither as a bound nor as a candidate, whose type nothing else says."""
    definition = read(folder).definition

    assert {"c": [0.01, 0.1]} == definition.tuning.space
    assert 0.8 == definition.gates[0].min


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("task:", "gates: []\ntask:", "line 10: gates is given twice, first in line 3"),
        ('["no", "yes"]', "[no, yes]", "line 7: no may mean false or the text (write false, or"),
        ("8e-1", "95", "line 10: gates.0.min: roc_auc can never be 95"),
        ("8e-1", ".inf", "line 10: .inf is not a finite number"),
        ("8e-1", "a lot", "line 10: gates.0.min: Input should be a valid number"),
        ("name: paid", "name: row", "line 7: target.name: target can't be named 'row'"),
        ("name: paid", "name: city", "line 7: target.name: 'city' is target, key, time or weight"),
        ("task:", "key: paid\ntask:", "line 3: key: 'paid' is the target as well"),
        ("dtype: string}\n", "dtype: string, values: [1, 2]}\n", "line 6: columns.1.values.0: "),
        ("name: loans", "name: loans-", "line 1: name: 'loans-' ends in '-'"),
        ("name: loans", "name: debts", "line 1: name is debts, and its folder is loans"),
        ("tuning: {metric: roc_auc", "tuning: {metric: r2", "line 8: tuning.metric: metric r2"),
        ("task:", "colour: 1\ntask:", "line 3: colour: Extra inputs are not permitted"),
    ],
)
def test_a_mistake_in_pipeline_yaml_is_refused_with_its_line(
    folder: Path, old: str, new: str, words: str
) -> None:
    """File, line, key and what is wrong, before anything is applied."""
    _edit(folder / "pipeline.yaml", old, new)
    with pytest.raises(InvalidInput) as refusal:
        read(folder)

    assert f"pipelines/loans/pipeline.yaml, {words}" in str(refusal.value)


def test_more_columns_than_a_feature_table_has_need_a_features_py(folder: Path) -> None:
    """Raw columns are stored as JSON; only as features do they need a table."""
    many = "\n".join(f"  - {{name: c{n}, dtype: bool}}" for n in range(1596))
    _edit(folder / "pipeline.yaml", "columns:\n", f"columns:\n{many}\n")
    (folder / "cases.yaml").unlink()
    with pytest.raises(InvalidInput, match=r"line 4: 1598 columns, and a feature table"):
        read(folder)
    (folder / "features.py").write_text("")

    assert 1598 == len(read(folder).definition.columns)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"yes"}', "no}", "line 6: no may mean false or the text"),
        ("    city: Bonn", "    city: Bonn\n    city: Ulm", "line 5: city is given twice"),
        ('"yes"}', "maybe}", "line 6: case 'pays back': expect: 'maybe' is not one of no, yes"),
        ("{income: 9}", "{income: much}", "line 7: case 'is sure': income: "),
        ("city: Bonn", "city: 7", "line 4: case 'pays back': city: "),
        ("row: usual, with", "row: lost, with", "line 7: case 'is sure': no row 'lost'"),
        ("min: 5e-1", "least: 5e-1", "line 7: cases.1.bounds.least: Extra inputs"),
    ],
)
def test_a_mistake_in_cases_yaml_is_refused_with_its_line(
    folder: Path, old: str, new: str, words: str
) -> None:
    """A case that could never hold is not left for a training to find."""
    _edit(folder / "cases.yaml", old, new)
    with pytest.raises(InvalidInput) as refusal:
        read(folder)

    assert f"pipelines/loans/cases.yaml, {words}" in str(refusal.value)


def test_a_pipeline_that_was_applied_under_other_rules_stays_trainable(folder: Path) -> None:
    """What an earlier version stored is compared with what that version read in the file."""
    _edit(folder / "pipeline.yaml", "8e-1", "95")
    _edit(folder / "pipeline.yaml", "dtype: string}\n", "dtype: string, nullable: yes}\n")
    _edit(folder / "pipeline.yaml", "task:", "split: {seed: 1}\nsplit: {seed: 010}\ntask:")
    _edit(folder / "cases.yaml", "    city: Bonn", "    city: Bonn\n    city: Ulm")
    stored = PipelineDefinition.parse(yaml.safe_load((folder / "pipeline.yaml").read_text()))
    files = read_applied(folder, stored)

    assert ("1e-2", 8) == (stored.tuning.space["c"][0], stored.split.seed)
    assert files is not None
    assert files.definition == stored
    assert files.cases is not None
    assert "Ulm" == read_cases(files.cases, stored).rows["usual"]["city"]


def test_what_is_applied_now_is_what_a_training_reads(folder: Path) -> None:
    """Other files than those that were applied are no files of it."""
    applied = read(folder).definition
    files = read_applied(folder, applied)
    _edit(folder / "pipeline.yaml", "8e-1", "7e-1")

    assert files is not None
    assert applied == files.definition
    assert read_applied(folder, applied) is None
