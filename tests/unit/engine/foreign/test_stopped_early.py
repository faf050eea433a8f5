"""A booster that stopped early predicts with its best trees, also when it comes from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from xgboost import XGBRegressor

from mlplatform.contracts.columns import Feature
from mlplatform.contracts.pipeline import Target
from mlplatform.engine.boosters import xgboost_model
from mlplatform.engine.foreign import xgboost_file
from mlplatform.engine.foreign.file import ForeignFile


def test_trees_after_the_best_round_are_left_out(tmp_path: Path) -> None:
    """XGBoost's own file holds all of them, and the number of the best round."""
    draw = np.random.default_rng(0)
    rows, truth = draw.normal(size=(300, 2)), draw.normal(size=300)  # pure chance
    fitted = XGBRegressor(n_estimators=60, early_stopping_rounds=20)
    fitted.fit(rows[:200], truth[:200], eval_set=[(rows[200:], truth[200:])], verbose=False)
    fitted.save_model(tmp_path / "model.ubj")
    features = tuple(Feature(name=name, dtype="float64") for name in "ab")
    target = Target(name="y", dtype="float64")
    data = (tmp_path / "model.ubj").read_bytes()
    file = ForeignFile("xgboost", data, features, "regression", target, (), ())
    read = xgboost_file.read(file)

    assert fitted.best_iteration + 1 < fitted.get_booster().num_boosted_rounds()
    assert xgboost_model.read(fitted) == xgboost_model.read(read)
    assert fitted.best_iteration + 2 == len(xgboost_model.read(read).trees)  # and the intercept
