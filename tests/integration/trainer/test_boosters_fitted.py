"""Boosters that stop early, weigh classes and stand together: served as they answer themselves."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from boosted import ALONE, BUILD, IN_PIPELINE, pinned_table, served_equal, table

from mlplatform.engine.boosters.found import READERS
from mlplatform.engine.skops import frame
from mlplatform.errors import InvalidInput, Refused
from mlplatform.trainer.cross_validation import CrossValidation
from mlplatform.trainer.early_stopping import EarlyStopped, stopping_early
from mlplatform.trainer.estimator import builder
from mlplatform.trainer.steps.train import train

pytestmark = pytest.mark.filterwarnings("ignore")  # of libraries that hand each other arrays
EARLY = {"share": 0.2, "rounds": 5}
SHAPES = (("binary", IN_PIPELINE), ("classes", ALONE), ("regression", IN_PIPELINE))
MATRIX = [(library, *shape) for library, shape in product(READERS, SHAPES)]
WEIGHED = [
    ("xgboost", "binary", "scale_pos_weight=7.0"),
    ("lightgbm", "binary", "class_weight='balanced'"),
    ("lightgbm", "binary", "is_unbalance=True"),
    ("lightgbm", "classes", "class_weight={3: 1.0, 5: 4.0, 9: 2.0}"),
    ("catboost", "binary", "auto_class_weights='Balanced'"),
    ("catboost", "classes", "class_weights=[1.0, 4.0, 2.0]"),
]


def _kind(task: str) -> str:
    return "Regressor" if task == "regression" else "Classifier"


@pytest.mark.parametrize(("library", "task", "shape"), MATRIX)
def test_a_booster_stops_early_and_answers_with_its_best_trees(
    library: str, task: str, shape: str, tmp_path: Path
) -> None:
    """Alone and behind other steps: far fewer trees than asked for, and the same answers."""
    source = BUILD[library].format(_kind(task)).replace("=8", "=400")
    rows = table(300, task, nulls=True, texts=shape == IN_PIPELINE)
    pinned = pinned_table(tmp_path, source + shape.format("", 0), task, rows, early_stopping=EARLY)
    fitted = stopping_early(builder(pinned), rows, pinned.definition)({})
    fitted.fit(frame(rows.features, pinned.features.features), rows.labels)

    served = served_equal(source + shape.format("", 0), task, rows, tmp_path, early_stopping=EARLY)

    assert isinstance(fitted, EarlyStopped)
    assert 1 <= fitted.trees < 200
    assert "onnx" == served.signature.format


@pytest.mark.parametrize("early", [None, EARLY])
@pytest.mark.parametrize("library", READERS)
def test_rows_of_weight_0_do_not_count(library: str, early: Any, tmp_path: Path) -> None:
    """Neither for the trees nor, where a booster stops early, for when it does."""
    source = BUILD[library].format("Regressor") + IN_PIPELINE.format("", 0)
    rows = table(400, "regression", texts=True)
    wrong = np.arange(400) % 2 == 0
    weighed = replace(rows, weights=np.where(wrong, 0.0, 1.0))
    weighed.labels[wrong] += 1000.0
    pinned = pinned_table(tmp_path, source, "regression", rows, early_stopping=early)

    fitted = train(builder(pinned), weighed, pinned, {})

    found = fitted.predict(frame(rows.features, pinned.features.features))
    assert np.abs(found).max() < 20.0


@pytest.mark.parametrize("library", READERS)
def test_folds_stop_early_too(library: str, tmp_path: Path) -> None:
    """Each fold has rows of its own that decide; by time they are its latest."""
    source = BUILD[library].format("Classifier").replace("=8", "=400") + ALONE.format("")
    rows = table(300, "binary")
    for by in ("random", "content", "time"):
        changes: dict[str, Any] = {"early_stopping": EARLY, "split": {"by": by}}
        pinned = pinned_table(tmp_path, source, "binary", rows, **changes)
        build = stopping_early(builder(pinned), rows, pinned.definition)
        data = frame(rows.features, pinned.features.features)

        trial = CrossValidation(build, data, rows.labels, pinned.definition, 1).run({}, lambda: 0.0)

        assert "" == trial.failure
        assert all(score > 0.6 for score in trial.scores), by


@pytest.mark.parametrize(("library", "task", "options"), WEIGHED)
def test_weighed_classes_are_served_as_they_were_learned(
    library: str, task: str, options: str, tmp_path: Path
) -> None:
    """Weights change the trees and nothing else, so the answers stay equal."""
    model = BUILD[library].format("Classifier") + ALONE.format(options)

    served = served_equal(model, task, table(300, task, nulls=True), tmp_path)

    assert "onnx" == served.signature.format


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (
            "from sklearn.linear_model import LogisticRegression as Booster\nSMALL = {}\n",
            "a LogisticRegression does not stop early",
        ),
        (
            "from lightgbm import LGBMClassifier as Booster\nSMALL = dict(boosting_type='dart')\n",
            "never stops early with boosting_type='dart'",
        ),
    ],
)
def test_what_can_not_stop_early_is_refused(source: str, reason: str, tmp_path: Path) -> None:
    """With what to change."""
    rows = table(100, "binary")

    with pytest.raises(InvalidInput, match=reason) as refused:
        served_equal(source + ALONE.format(""), "binary", rows, tmp_path, early_stopping=EARLY)

    assert "early_stopping" == refused.value.field


TOGETHER = """
from sklearn.ensemble import RandomForestClassifier, StackingClassifier, VotingClassifier
from lightgbm import LGBMClassifier
FIRST = ("first", LGBMClassifier(n_estimators=6, n_jobs=1, verbose=-1))
SECOND = ("second", LGBMClassifier(n_estimators=4, n_jobs=1, verbose=-1))
FOREST = ("forest", RandomForestClassifier(n_estimators=5))
def build(parameters):
    return {0}
"""


@pytest.mark.parametrize(
    "expression",
    [
        "StackingClassifier([FIRST, SECOND], cv=2)",
        "VotingClassifier([FIRST, SECOND], voting='soft')",
    ],
)
def test_boosters_are_served_together(expression: str, tmp_path: Path) -> None:
    """Several in one model, as scikit-learn joins them."""
    source = TOGETHER.replace("{0}", expression)

    served = served_equal(source, "binary", table(200, "binary"), tmp_path)

    assert "onnx" == served.signature.format


def test_a_booster_beside_a_forest_is_refused(tmp_path: Path) -> None:
    """No runtime takes the trees of both in one model; never served in another format instead."""
    source = TOGETHER.replace("{0}", "StackingClassifier([FIRST, FOREST], cv=2)")

    with pytest.raises(Refused, match="take one kind"):
        served_equal(source, "binary", table(200, "binary"), tmp_path)


@pytest.mark.parametrize("library", READERS)
def test_one_column_and_numbers_beyond_floats_are_served(library: str, tmp_path: Path) -> None:
    """A single feature; whole numbers that float64 can't tell apart."""
    model = BUILD[library].format("Regressor") + ALONE.format("")
    rows = table(200, "regression")
    rows.features["calls"] += 2**60
    served_equal(model, "regression", rows, tmp_path)
    del rows.features["calls"]

    served = served_equal(model, "regression", rows, tmp_path)

    assert "onnx" == served.signature.format
