"""What `redact` may say, and what follows for the columns of a pipeline."""

from __future__ import annotations

from typing import Any

import pytest

from mlplatform.contracts.apply_rules import check_definition
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.errors import InvalidInput
from mlplatform.features.digest import features_digest


def _definition(**changes: Any) -> PipelineDefinition:
    document = {
        "name": "loans",
        "description": "Will a loan be paid back?",
        "task": "classification",
        "columns": [
            {"name": "ssn", "dtype": "string"},
            {"name": "note", "dtype": "bool"},
            {"name": "income", "dtype": "float64"},
        ],
        "target": {"name": "paid", "dtype": "string", "values": ["no", "yes"]},
        "key": "customer",
        "time": "asked_at",
        "weight": "counts",
        "tuning": {"metric": "roc_auc"},
        "gates": [{"metric": "roc_auc", "min": 0.8}],
    }
    return PipelineDefinition.parse(document | changes)


def _column(**facts: Any) -> dict[str, Any]:
    return {"columns": [{"name": "ssn", "dtype": "string", **facts}], "redact": {"ssn": "hash"}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"redact": {"snn": "hash"}}, "redact.snn: there is no column 'snn'"),
        ({"redact": {"paid": "hash"}}, "redact.paid: 'paid' is the target, which is read"),
        ({"redact": {"asked_at": "drop"}}, "redact.asked_at: 'asked_at' is the time"),
        ({"redact": {"counts": "hash"}}, "redact.counts: 'counts' is the weight"),
        ({"redact": {"customer": "drop"}}, "'customer' is the key, by which rows are found"),
        ({"redact": {"income": "hash"}}, "'income' is float64, and a hash is a text"),
        ({"redact": {"ssn": "drop", "note": "drop", "income": "drop"}}, "every column is dropped"),
        (_column(example="078-05-1120"), "columns.0.example: 'ssn' is hashed"),
        (_column(values=["a"]), "columns.0.values: 'ssn' is hashed"),
        (_column(pattern="[0-9-]+"), "columns.0.pattern: 'ssn' is hashed"),
    ],
)
def test_a_rule_that_can_not_hold_is_refused(changes: dict[str, Any], words: str) -> None:
    """The message names the key and says why; there is a way out beside it."""
    with pytest.raises(InvalidInput) as refused:
        check_definition(_definition(**changes), where="pipeline.yaml")

    assert words in str(refused.value)
    assert refused.value.fix


def test_columns_and_the_key_can_be_redacted() -> None:
    """Numbers and flags can be dropped, texts and the key hashed."""
    definition = _definition(redact={"ssn": "hash", "note": "drop", "customer": "hash"})
    check_definition(definition, where="pipeline.yaml")

    assert ["ssn", "income"] == [column.name for column in definition.inputs]
    assert ("note",) == definition.dropped


def test_another_word_is_refused() -> None:
    """A typo must not mean that a value is stored."""
    with pytest.raises(InvalidInput, match=r"redact\.ssn"):
        _definition(redact={"ssn": "hashed"})


def test_features_are_made_anew_where_a_rule_changes() -> None:
    """Rows from before the rule and after it must be made alike; without rules nothing changes."""
    digests = [
        features_digest(_definition(redact=rules), None)
        for rules in ({}, {"ssn": "hash"}, {"ssn": "drop"})
    ]

    assert 3 == len(set(digests))
    assert features_digest(_definition(), None) == digests[0]
