"""Which estimators can be trained on a Ray cluster."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from xgboost import XGBClassifier, XGBRegressor

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.errors import InvalidInput
from mlplatform.trainer.ray.suited import format_of, require_suited


class Own(XGBClassifier):
    """A subclass may do anything in its fit."""


def _definition(**changes: Any) -> PipelineDefinition:
    document = {
        "name": "loans",
        "description": "Whether a loan will be paid back.",
        "task": "classification",
        "columns": [{"name": "income", "dtype": "float64"}],
        "target": {"name": "paid", "dtype": "string", "values": ["no", "yes"]},
        "tuning": {"metric": "roc_auc"},
        "gates": [{"metric": "roc_auc", "min": 0.5}],
        "training": {"engine": "ray"},
    }
    return PipelineDefinition.parse(document | changes)


@pytest.mark.parametrize(
    ("estimator", "reason"),
    [
        (LogisticRegression(), "must stand alone"),
        (make_pipeline(XGBClassifier()), "must stand alone"),
        (Own(), "must stand alone"),
        (XGBRegressor(objective=lambda *both: both), "an objective of its own"),
        (XGBRegressor(missing=-1.0), "missing=-1.0 would be lost"),
    ],
)
def test_what_a_library_file_can_not_hold_is_refused(estimator: Any, reason: str) -> None:
    """Before anything is read; without `training` it is no matter."""
    with pytest.raises(InvalidInput, match=reason) as caught:
        require_suited(_definition(), estimator)
    require_suited(_definition(training=None), estimator)

    assert "training.engine" == caught.value.field
    assert caught.value.fix


def test_a_booster_alone_is_suited() -> None:
    """With whatever parameters its file keeps."""
    estimator = XGBClassifier(n_estimators=5, scale_pos_weight=3, missing=float("nan"))
    require_suited(_definition(), estimator)

    assert "xgboost" == format_of(estimator)
