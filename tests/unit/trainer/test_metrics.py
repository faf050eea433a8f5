"""Metrics agree with scikit-learn's, and know which class is positive."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as sk

from mlplatform.trainer.metrics import Classes, measure, of_task, score

DRAW = np.random.default_rng(3)
THREE = ("a", "b", "c")


def _three(rows: int = 200):
    truth = DRAW.choice(np.array(THREE, dtype=object), rows)
    chances = DRAW.dirichlet([1, 1, 1], rows)
    return truth, {
        "prediction": np.array(THREE, dtype=object)[chances.argmax(axis=1)],
        "probabilities": chances,
    }


def test_several_classes_as_scikit_learn_counts_them(definition) -> None:
    """With three classes: macro f1, one-against-the-rest roc_auc, log loss, accuracies."""
    made = definition(target={"name": "left", "dtype": "string"})
    truth, answers = _three()
    found = measure(truth, answers, Classes(THREE, made), of_task(made))
    text, said = truth.astype(str), answers["prediction"].astype(str)

    assert found == pytest.approx(
        {
            "accuracy": sk.accuracy_score(text, said),
            "balanced_accuracy": sk.balanced_accuracy_score(text, said),
            "f1": sk.f1_score(text, said, average="macro"),
            "log_loss": sk.log_loss(text, answers["probabilities"], labels=list(THREE)),
            "roc_auc": sk.roc_auc_score(
                text, answers["probabilities"], multi_class="ovr", labels=list(THREE)
            ),
        }
    )


@pytest.mark.parametrize(
    ("values", "positive"), [(["no", "yes"], "yes"), (["yes", "no"], "no"), (None, "yes")]
)
def test_the_positive_class_is_the_last_that_the_definition_names(
    definition, values: list[str] | None, positive: str
) -> None:
    """f1 is that of the last of target.values, else of the last in sort order."""
    made = definition(target={"name": "left", "dtype": "string", "values": values})
    truth = np.array(["no", "no", "yes", "yes"], dtype=object)
    answers = {
        "prediction": np.array(["no", "yes", "yes", "yes"], dtype=object),
        "probabilities": np.full((4, 2), 0.5),
    }

    assert score("f1", truth, answers, Classes(("no", "yes"), made)) == pytest.approx(
        sk.f1_score(truth == positive, answers["prediction"] == positive)
    )


def test_numbers_as_classes(definition) -> None:
    """Labels that are numbers match the model's numbers."""
    made = definition(target={"name": "left", "dtype": "int64"})
    truth = np.array([0, 1, 1, 0])
    answers = {
        "prediction": np.array([0, 1, 0, 0]),
        "probabilities": np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]]),
    }
    found = measure(truth, answers, Classes((0, 1), made), of_task(made))

    assert (0.75, 1.0) == (found["accuracy"], found["roc_auc"])


def test_what_is_not_defined_is_nan(definition) -> None:
    """No rows, or roc_auc over one class: NaN, never a number that looks good."""
    made = definition()
    classes = Classes(("no", "yes"), made)
    one = np.array(["no"] * 5, dtype=object)
    answers = {"prediction": one, "probabilities": np.full((5, 2), 0.5)}
    none = {name: values[:0] for name, values in answers.items()}

    assert math.isnan(score("roc_auc", one, answers, classes))
    assert math.isnan(score("accuracy", one[:0], none, classes))


def test_regressions(definition) -> None:
    """r2, mae and rmse are scikit-learn's."""
    truth, said = DRAW.normal(size=50), DRAW.normal(size=50)
    found = {name: score(name, truth, {"prediction": said}, None) for name in ("r2", "mae", "rmse")}

    assert found == pytest.approx(
        {
            "r2": sk.r2_score(truth, said),
            "mae": sk.mean_absolute_error(truth, said),
            "rmse": math.sqrt(sk.mean_squared_error(truth, said)),
        }
    )
