"""pipeline.yaml: what is refused is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.errors import InvalidInput


def _document(**changes: Any) -> dict[str, Any]:
    return {
        "name": "loans",
        "description": "Will a loan be paid back?",
        "task": "classification",
        "columns": [{"name": "income", "dtype": "float64", "min": 0}],
        "target": {"name": "paid", "dtype": "string", "values": ["no", "yes"]},
        "tuning": {"metric": "roc_auc"},
        "gates": [{"metric": "roc_auc", "min": 0.8}],
    } | changes


def test_smallest_definition_parses() -> None:
    """Everything but the essentials has a default, and approval is manual unless said otherwise."""
    definition = PipelineDefinition.parse(_document())

    assert "manual" == definition.approval
    assert 0.25 == definition.split.test_share


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"columns": [{"name": "a", "dtype": "int64", "example": 1.5}]}, "columns.0.example"),
        ({"columns": [{"name": "a", "dtype": "int64", "example": True}]}, "columns.0.example"),
        ({"columns": [{"name": "a", "dtype": "bool", "example": 1}]}, "columns.0.example"),
        ({"columns": [{"name": "a", "dtype": "string", "example": [1]}]}, "columns.0.example"),
        ({"columns": [{"name": "a", "dtype": "string", "example": []}]}, "columns.0.example"),
        (
            {"columns": [{"name": "a", "dtype": "float64", "max": 5, "example": [1, 6]}]},
            "columns.0.example",
        ),
        (
            {"columns": [{"name": "a", "dtype": "string", "pattern": "x+", "example": "y"}]},
            "columns.0.example",
        ),
        (
            {"columns": [{"name": "a", "dtype": "string", "pattern": "x", "values": ["y"]}]},
            "columns.0.values",
        ),
        ({"columns": [{"name": "a", "dtype": "string", "pattern": "("}]}, "columns.0.pattern"),
        ({"columns": [{"name": "a", "dtype": "int64", "pattern": "1"}]}, "columns.0.pattern"),
        ({"rollout": "canary"}, "rollout"),
        ({"colour": "blue"}, "colour"),
        ({"name": "Loans"}, "name"),
        ({"columns": [{"name": "income", "dtype": "float"}]}, "columns.0.dtype"),
        ({"columns": [{"name": "n", "dtype": "int64", "nullable": True}]}, "columns.0"),
        ({"columns": [{"name": "label", "dtype": "int64"}]}, "columns.0"),
        (
            {"columns": [{"name": "a", "dtype": "int64"}, {"name": "a", "dtype": "int64"}]},
            "columns",
        ),
        ({"gates": [{"metric": "roc_auc"}]}, "gates.0"),
        ({"gates": [{"metric": "roc_auc", "min": 0.1, "against": "champion"}]}, "gates.0"),
        ({"gates": [{"metric": "rmse", "max": 3}]}, "gates.0.metric"),
        ({"gates": [{"metric": "roc_auc", "min": 0.1, "tolerance": 0.1}]}, "gates.0"),
        ({"target": {"name": "income", "dtype": "string"}}, "target.name"),
        ({"target": {"name": "paid", "dtype": "float64"}}, "target.dtype"),
        (
            {
                "task": "regression",
                "tuning": {"metric": "r2"},
                "gates": [{"metric": "r2", "min": 0}],
            },
            "target.dtype",
        ),
        ({"tuning": {"metric": "roc_auc", "space": {"c": []}}}, "tuning.space.c"),
        ({"schedule": "0 4 * * 1"}, "schedule"),
    ],
)
def test_refusals_name_the_key(changes: dict[str, Any], field: str) -> None:
    """A key that is unknown, wrong or not built yet is refused with its path."""
    with pytest.raises(InvalidInput) as refusal:
        PipelineDefinition.parse(_document(**changes))

    assert refusal.value.field == field


def test_an_example_may_be_one_value_or_a_list() -> None:
    """A float64 column takes whole numbers too; what is stored is read again as it was."""
    columns = [
        {"name": "a", "dtype": "float64", "example": 3},
        {"name": "b", "dtype": "string", "pattern": "[xy]", "example": ["x", "y"]},
    ]
    definition = PipelineDefinition.parse(_document(columns=columns))
    again = PipelineDefinition.parse(definition.model_dump(mode="json"))

    assert [(3,), ("x", "y")] == [column.example for column in definition.columns]
    assert definition == again


def test_columns_without_the_newer_keys_are_written_as_before() -> None:
    """Processes of an earlier version read the definition, and its digest stays."""
    (column,) = PipelineDefinition.parse(_document()).model_dump(mode="json")["columns"]

    assert set() == {"pattern", "example"} & column.keys()


@pytest.mark.parametrize(
    ("document", "problem"),
    [(None, "document: is empty"), (["name"], "document: is not a mapping of keys to values")],
)
def test_what_is_no_definition_at_all_is_refused(document: Any, problem: str) -> None:
    """An empty file, or a list: said in the words of a person who writes YAML."""
    with pytest.raises(InvalidInput, match=problem):
        PipelineDefinition.parse(document)
