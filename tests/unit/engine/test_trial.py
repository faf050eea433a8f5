"""What a model must do before it may serve."""

from __future__ import annotations

from typing import Any

import hostile_models
import numpy as np
import pytest

from mlplatform.contracts.columns import Columns, length
from mlplatform.contracts.model import Output, Signature
from mlplatform.engine.predictor import Predictor
from mlplatform.engine.trial import run_trial
from mlplatform.errors import UnfitModel
from mlplatform.features.code import load

TOYS = hostile_models.regression()
FEATURES = load(TOYS, None, digest=None)


class Moody:
    """Its predictions depend on the number of rows modulo `period`, as rounding may by shape."""

    def __init__(self, period: int = 1) -> None:
        self._period = period

    def predict(self, features: Columns) -> Columns:
        """See Engine.predict."""
        rows = len(features["size"])
        return {"prediction": np.full(rows, float(rows % self._period))}


def _predictor(engine: Any) -> Predictor:
    form = Signature(
        pipeline="toys",
        task="regression",
        inputs=TOYS.columns,
        features=FEATURES.features,
        outputs=(Output(name="prediction", dtype="float64"),),
        format="onnx",
        model_file="model.onnx",
        features_digest=FEATURES.digest,
        commit="c",
    )
    return Predictor(form, FEATURES, engine)


@pytest.mark.parametrize(("period", "multiple"), [(1, 2), (2, 2), (4, 4), (16, 16), (1000, 0)])
def test_the_padding_is_the_least_that_makes_rows_independent(period: int, multiple: int) -> None:
    """2, 4, 8 or 16 rows at a time; 0, a call per request, where nothing helps."""
    assert multiple == run_trial(_predictor(Moody(period)))


def test_a_model_that_loses_a_row_is_unfit() -> None:
    """As many answers as rows, for each table of the trial."""

    class Short(Moody):
        """Loses a row."""

        def predict(self, features: Columns) -> Columns:
            """See Engine.predict."""
            return {"prediction": super().predict(features)["prediction"][1:]}

    with pytest.raises(UnfitModel, match="0 values of 'prediction' for 1 rows"):
        run_trial(_predictor(Short()))


def test_a_model_that_answers_single_rows_only_is_unfit() -> None:
    """Requests share calls, so several rows at once must do."""

    class Lonesome(Moody):
        """Refuses company."""

        def predict(self, features: Columns) -> Columns:
            """See Engine.predict."""
            if length(features) > 1:
                raise ValueError("one at a time")
            return super().predict(features)

    with pytest.raises(UnfitModel, match="several rows at once: ValueError: one at a time"):
        run_trial(_predictor(Lonesome()))


def test_the_trial_has_nulls_where_the_definition_allows_them() -> None:
    """A null that no history holds is tried all the same."""
    nulls = [bool(np.isnan(table["mass"]).any()) for table in FEATURES.probes.tables]

    assert any(nulls)


def test_a_model_without_a_number_for_an_allowed_null_is_unfit() -> None:
    """What serving would refuse is no answer in the trial either."""

    class Heavy(Moody):
        """Predicts the mass."""

        def predict(self, features: Columns) -> Columns:
            """See Engine.predict."""
            return {"prediction": features["mass"]}

    with pytest.raises(UnfitModel, match=r"mass=null.*the model gives no number") as unfit:
        run_trial(_predictor(Heavy()))
    assert "`nullable: false` for 'mass'" in unfit.value.fix
