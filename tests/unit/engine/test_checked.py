"""No answer without a number: what scikit-learn refuses is refused in both formats."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier

from mlplatform.contracts.blocks import BlockLayout
from mlplatform.contracts.columns import Columns, Feature
from mlplatform.engine.checked import CheckedEngine
from mlplatform.engine.load import load
from mlplatform.errors import RowRefused


class Fixed:
    """Answers what it was given."""

    def __init__(self, **outputs: Any) -> None:
        self._outputs = {name: np.array(values) for name, values in outputs.items()}

    def predict(self, _: Columns) -> Columns:
        """See Engine.predict."""
        return self._outputs


def _rows(toys: Any, **values: Any) -> Any:
    """Four rows, of which the third holds these values."""
    rows = toys.table(4, seed=3)
    for name, value in values.items():
        rows[name][2] = value
    return rows


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("rows", [4, 100], ids=["few", "many"])
def test_a_probability_that_is_not_a_number_names_its_row(
    toys, stored, wrong: float, rows: int
) -> None:
    """The class beside it means nothing either; the first such row is named."""
    probabilities = np.full((rows, 2), 0.5)
    probabilities[2:, 1] = wrong
    _, form = stored(toys.fitted(), "skops")
    engine = CheckedEngine(Fixed(prediction=["no"] * rows, probabilities=probabilities), form)

    with pytest.raises(RowRefused, match=r"row 2: .*probabilities is (nan|inf|-inf)"):
        engine.predict(toys.table(rows))


@pytest.mark.parametrize("classes", [("no", "yes"), (0, 1), None])
def test_a_null_without_an_imputer_is_refused_in_both_formats(toys, stored, classes: Any) -> None:
    """scikit-learn raises, and ONNX Runtime computes NaN: neither is an answer."""
    estimator, rows = toys.fitted(classes=classes), _rows(toys, size=np.nan)
    onnx, skops = (
        CheckedEngine(load(folder, form, trusted=()), form)
        for folder, form in (stored(estimator, kind, classes=classes) for kind in ("onnx", "skops"))
    )

    with pytest.raises(RowRefused, match=r"row 2: .*null \(NaN\) for feature size"):
        onnx.predict(rows)
    with pytest.raises(ValueError, match="NaN"):
        skops.predict(rows)


def test_a_number_beyond_float32_is_refused_by_name(toys, stored) -> None:
    """It would become infinite on the way in, and a class with it; its neighbours are answered."""
    folder, form = stored(toys.fitted(), "onnx")
    engine = CheckedEngine(load(folder, form, trusted=()), form)
    good = engine.predict(_rows(toys, size=3.4e38))["prediction"].tolist()

    assert "yes" == good[2]
    with pytest.raises(RowRefused, match=r"row 2: feature size is 1e\+39, .* float32") as refused:
        engine.predict(_rows(toys, size=1e39))
    assert ("size", 2) == (refused.value.field, refused.value.row)


def test_a_null_that_the_file_would_answer_is_refused_where_the_signature_says_so(
    toys, stored
) -> None:
    """Trees in ONNX step over NaN, where scikit-learn's raise."""
    trees = GradientBoostingClassifier(n_estimators=5, random_state=0)
    folder, form = stored(toys.fitted(last=trees), "onnx")
    engine, rows = load(folder, form, trusted=()), _rows(toys, size=np.nan)
    guarded = CheckedEngine(engine, form.model_copy(update={"never_null": ("size",)}))

    assert np.isfinite(engine.predict(rows)["probabilities"]).all()
    with pytest.raises(RowRefused, match="row 2: feature size is null"):
        guarded.predict(rows)
    assert 4 == len(guarded.predict(_rows(toys, size=0.5))["prediction"])


def test_a_null_in_a_table_of_blocks_is_refused_by_its_own_column(toys, stored) -> None:
    """A null of another column of the same block is none of its business."""
    columns = (*toys.features, Feature(name="spare", dtype="float64"))
    _, form = stored(toys.fitted(), "skops")
    fixed = Fixed(prediction=["no"] * 4, probabilities=np.full((4, 2), 0.5))
    engine = CheckedEngine(fixed, form.model_copy(update={"never_null": ("size",)}))

    def answered(**nulls: float) -> Columns:
        layout = BlockLayout(columns)
        rows = _rows(toys) | {"spare": np.zeros(4)}
        for name, value in nulls.items():
            rows[name][2] = value
        return engine.predict(
            layout.table(
                [np.stack([rows[name] for name in block.names], axis=1) for block in layout.blocks]
            )
        )

    assert 4 == len(answered()["prediction"]) == len(answered(spare=np.nan)["prediction"])
    with pytest.raises(RowRefused, match="row 2: feature size is null"):
        answered(size=np.nan, spare=np.nan)


@pytest.mark.parametrize(
    ("known", "value", "refused"),
    [
        (("", "blue", "red"), "green", "'green'"),
        (("blue", "red"), None, "null"),
        (("", "blue", "red"), None, ""),
        (("blue", "red"), "red", ""),
    ],
)
def test_only_known_texts_are_answered_where_the_signature_names_them(
    toys, stored, known: tuple[str, ...], value: str | None, refused: str
) -> None:
    """'' stands for null, which is what a model sees of it."""
    folder, form = stored(toys.fitted(), "onnx")
    form = form.model_copy(update={"known_texts": {"colour": known}})
    engine = CheckedEngine(load(folder, form, trusted=()), form)
    rows = _rows(toys, colour=value)
    rows["colour"][[0, 1, 3]] = "red"

    if not refused:
        assert 4 == len(engine.predict(rows)["prediction"])
        return
    with pytest.raises(RowRefused, match=f"row 2: feature colour is {refused}, which the model"):
        engine.predict(rows)
