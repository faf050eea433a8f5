"""Gates: bounds, comparisons with the champion, slices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlplatform.errors import InvalidInput
from mlplatform.trainer.metrics import Classes
from mlplatform.trainer.results import Champion, Comparison, Evaluation
from mlplatform.trainer.steps.judge_gates import judge_gates

LABELS = np.array(["no", "yes"] * 50, dtype=object)


def _predictions(right: int) -> dict[str, Any]:
    """Predictions of which the first `right` of 100 are right, and so are their probabilities."""
    said = np.array(
        [
            label if at < right else {"no": "yes", "yes": "no"}[label]
            for at, label in enumerate(LABELS)
        ],
        dtype=object,
    )
    chance = np.where(said == "yes", 0.9, 0.1)
    return {"prediction": said, "probabilities": np.column_stack([1 - chance, chance])}


def _champion(definition: Any, right: int | None, positions: Any = None) -> Champion:
    if right is None:
        return Champion(version=None, why="there is no champion yet")
    at = np.arange(100) if positions is None else positions
    predictions = {name: values[at] for name, values in _predictions(right).items()}
    classes = Classes(("no", "yes"), definition())
    return Champion("7", Evaluation(predictions, classes, {}), at)


def _judge(
    definition: Any,
    gate: dict[str, Any],
    *,
    right: int,
    champion: Champion | None = None,
    **columns: Any,
) -> Any:
    made = definition(gates=[gate])
    new = Evaluation(_predictions(right), Classes(("no", "yes"), made), {})
    compared = Comparison(LABELS, new, champion or _champion(definition, None), columns)
    return judge_gates(made, compared)


@pytest.mark.parametrize(
    ("gate", "right", "champion", "passes"),
    [
        ({"metric": "accuracy", "min": 0.8}, 80, None, True),
        ({"metric": "accuracy", "min": 0.8}, 79, None, False),
        ({"metric": "accuracy", "min": 0.5, "max": 0.9}, 95, None, False),
        ({"metric": "log_loss", "max": 0.7}, 80, None, True),
        ({"metric": "log_loss", "max": 0.3}, 80, None, False),
        ({"metric": "accuracy", "against": "champion"}, 10, None, True),  # nothing to beat
        ({"metric": "accuracy", "against": "champion"}, 80, 80, True),
        ({"metric": "accuracy", "against": "champion"}, 79, 80, False),
        ({"metric": "accuracy", "against": "champion", "tolerance": 0.011}, 79, 80, True),
        ({"metric": "log_loss", "against": "champion"}, 81, 80, True),
        ({"metric": "log_loss", "against": "champion"}, 79, 80, False),
        ({"metric": "log_loss", "against": "champion", "tolerance": 0.1}, 79, 80, True),
    ],
)
def test_bounds_and_comparisons(
    definition, gate: dict[str, Any], right: int, champion: int | None, passes: bool
) -> None:
    """A gate holds inside its bound, or at most its tolerance below the champion."""
    (verdict,) = _judge(definition, gate, right=right, champion=_champion(definition, champion))

    assert passes == verdict.passed


def test_a_champion_that_cannot_be_compared_fails_the_gate(definition) -> None:
    """Without a comparison nothing is believed, and the reason is named."""
    broken = Champion(version="7", why="version 7 can't be compared: model.onnx differs")
    (verdict,) = _judge(
        definition, {"metric": "accuracy", "against": "champion"}, right=100, champion=broken
    )

    assert not verdict.passed
    assert "model.onnx differs" in verdict.describe()


def test_a_champion_of_other_features_is_compared_on_the_rows_it_has(definition) -> None:
    """Both metrics are taken on the common rows; the note says how many."""
    common = np.arange(60)
    gate = {"metric": "accuracy", "against": "champion"}
    (verdict,) = _judge(definition, gate, right=70, champion=_champion(definition, 50, common))

    assert (True, 1.0, 50 / 60, 60) == (verdict.passed, verdict.value, verdict.bound, verdict.rows)
    assert "on 60 of 100 rows" in verdict.note


def test_too_few_common_rows_are_no_comparison(definition) -> None:
    """With features for less than half of the test rows the champion counts as not compared."""
    gate = {"metric": "accuracy", "against": "champion"}
    (verdict,) = _judge(
        definition, gate, right=100, champion=_champion(definition, 10, np.arange(40))
    )

    assert not verdict.passed
    assert "too few" in verdict.note


def test_a_slice_gate_holds_in_every_value(definition) -> None:
    """One bad slice fails although the whole is good; a slice too small to judge does not count."""
    plan = np.array(["gold"] * 60 + ["basic"] * 35 + ["trial"] * 5, dtype=object)
    verdicts = _judge(
        definition, {"metric": "accuracy", "min": 0.5, "slice": "plan"}, right=70, plan=plan
    )
    found = {verdict.slice: (verdict.passed, verdict.rows) for verdict in verdicts}

    assert {"plan=basic": (False, 35), "plan=gold": (True, 60), "plan=trial": (True, 5)} == found
    assert "does not count" in next(
        verdict.note for verdict in verdicts if verdict.slice == "plan=trial"
    )


@pytest.mark.parametrize(("right", "passes"), [(100, True), (40, False)])
def test_where_no_slice_counts_all_rows_do(definition, right: int, passes: bool) -> None:
    """A gate over values that are all too rare is judged on the whole test set, and says so."""
    town = np.array([f"town {number // 10}" for number in range(100)], dtype=object)
    *parts, whole = _judge(
        definition, {"metric": "accuracy", "min": 0.5, "slice": "town"}, right=right, town=town
    )

    assert {True} == {part.passed for part in parts}
    assert (whole.slice, whole.rows, whole.passed) == ("", 100, passes)
    assert "no value of town counts" in whole.describe()


def test_an_undefined_metric_never_passes_on_all_rows(definition) -> None:
    """A metric that is NaN on the whole test set fails its gate."""
    made = definition(gates=[{"metric": "roc_auc", "min": 0.0}])
    classes = Classes(("no", "yes"), made)
    only = np.array(["no"] * 100, dtype=object)
    new = Evaluation(_predictions(100), classes, {})
    compared = Comparison(only, new, _champion(definition, None), {})
    (verdict,) = judge_gates(made, compared)

    assert (False, None) == (verdict.passed, verdict.value)
    assert "not measurable, required at least 0 (only class no among 100 rows)" in (
        verdict.describe()
    )


def test_a_slice_by_an_unknown_column_is_refused(definition) -> None:
    """A gate that names no column of the data is a mistake, not a pass."""
    with pytest.raises(InvalidInput, match="plain"):
        _judge(definition, {"metric": "accuracy", "min": 0.5, "slice": "plain"}, right=100)
