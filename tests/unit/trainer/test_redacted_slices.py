"""Gates of a pipeline that redacts, by the values of a column."""

from __future__ import annotations

from typing import Any

import pytest

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.errors import InvalidInput
from mlplatform.features.code import load
from mlplatform.trainer.steps.pin import check_slices

SOURCE = b"def engineer(columns):\n    return {'income': columns['income']}\n"


def _check(by: str, source: bytes | None, **redact: Any) -> None:
    document = {
        "name": "loans",
        "description": "Will a loan be paid back?",
        "task": "classification",
        "columns": [{"name": "ssn", "dtype": "string"}, {"name": "income", "dtype": "float64"}],
        "target": {"name": "paid", "dtype": "string", "values": ["no", "yes"]},
        "redact": redact,
        "tuning": {"metric": "roc_auc"},
        "gates": [{"metric": "roc_auc", "min": 0.8, "slice": by}],
    }
    definition = PipelineDefinition.parse(document)
    check_slices(definition, load(definition, source, digest=None))


def test_a_redacted_column_is_a_slice_only_as_a_feature() -> None:
    """Raw rows from before the rule hold its values, which would stand in the report."""
    _check("ssn", SOURCE)
    _check("ssn", None, ssn="hash")
    for redact in ("hash", "drop"):
        with pytest.raises(InvalidInput, match="make it a feature: it is redacted"):
            _check("ssn", SOURCE, ssn=redact)
