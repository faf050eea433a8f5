"""The rules for an apply know the columns that the platform's own tables and datasets have."""

from __future__ import annotations

from mlplatform.contracts.apply_rules import FEATURE_OWN, LABEL_OWN, MAX_FEATURES
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.database.dataset_contract import _features, _labels
from mlplatform.database.feature_sets import OWN_COLUMNS, RecordedSet

DOCUMENT = {
    "name": "loans",
    "description": "Will a loan be paid back?",
    "task": "classification",
    "columns": [{"name": "income", "dtype": "float64"}],
    "target": {"name": "paid", "dtype": "string"},
    "tuning": {"metric": "roc_auc"},
    "gates": [{"metric": "roc_auc", "min": 0.8}],
}


def test_a_feature_table_has_room_for_that_many_features() -> None:
    """PostgreSQL's tables have at most 1,600 columns."""
    assert 1600 == MAX_FEATURES + len(OWN_COLUMNS.split(","))


def test_no_target_may_have_the_name_of_a_dataset_column() -> None:
    """The names that are refused are those that the datasets have."""
    recorded = RecordedSet(
        "loans", "d", "c", DOCUMENT, "t", [], None, holds_labels=True, current=True
    )
    training = _features(recorded, "training").description.columns
    labels = _labels(PipelineDefinition.parse(DOCUMENT)).description.columns

    assert (*FEATURE_OWN, "paid") == tuple(column.name for column in training)
    assert (*LABEL_OWN, "paid") == tuple(column.name for column in labels)
