"""Engines: equal answers in both formats, proof of bytes before load, only allowed types."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlplatform.contracts.blocks import BlockLayout
from mlplatform.contracts.columns import Feature
from mlplatform.contracts.model import Output
from mlplatform.engine.load import load, read_signature
from mlplatform.engine.onnx_compile import compile_onnx
from mlplatform.engine.skops_dump import dump_skops
from mlplatform.engine.table import prepare
from mlplatform.errors import IntegrityFailure, InvalidInput, ManifestMismatch


@pytest.mark.parametrize(
    "classes", [("no", "yes"), (0, 1), None], ids=["strings", "numbers", "regression"]
)
def test_both_formats_answer_as_scikit_learn_does(toys, stored, classes: Any) -> None:
    """ONNX and skops give the labels and numbers of their estimator, in the declared types."""
    estimator = toys.fitted(classes=classes)
    rows = toys.table(64, seed=1)
    answers = [
        load(*stored(estimator, kind, classes=classes), trusted=()).predict(rows)
        for kind in ("onnx", "skops")
    ]

    assert toys.same(*answers)
    assert {name: (values.shape, values.dtype.kind) for name, values in answers[0].items()} == (
        {"prediction": ((64,), "f")}
        if classes is None
        else {
            "prediction": ((64,), "O" if classes[0] == "no" else "i"),
            "probabilities": ((64, 2), "f"),
        }
    )


@pytest.mark.parametrize("kind", ["onnx", "skops"])
def test_a_table_of_blocks_is_answered_as_its_columns_are(toys, stored, kind: str) -> None:
    """Serving hands over one array per type, training one per column."""
    engine = load(*stored(toys.fitted(), kind), trusted=())
    rows = toys.table(64, seed=1)
    layout = BlockLayout(toys.features)
    blocks = layout.table(
        [np.stack([rows[name] for name in block.names], axis=1) for block in layout.blocks]
    )
    expected, actual = engine.predict(rows), engine.predict(blocks)

    assert expected.keys() == actual.keys()
    assert all(np.array_equal(expected[name], actual[name]) for name in expected)


@pytest.mark.parametrize("kind", ["onnx", "skops"])
def test_a_bool_target_is_answered_with_bools(toys, stored, kind: str) -> None:
    """Both formats know 0 and 1 as classes; the signature says what they stand for."""
    folder, form = stored(toys.fitted(classes=(0, 1)), kind, classes=(0, 1))
    numbers = load(folder, form, trusted=()).predict(toys.table(64))["prediction"]
    answers = load(folder, form.answering("bool"), trusted=()).predict(toys.table(64))["prediction"]

    assert {True, False} == set(answers.tolist())
    assert [bool(number) for number in numbers.tolist()] == answers.tolist()
    assert np.bool_ == answers.dtype


def test_a_batch_answers_as_its_rows_do_alone(toys, stored) -> None:
    """No row of a batch changes the answer of another, but for the last bits of one row alone."""
    engine = load(*stored(toys.fitted(), "onnx"), trusted=())
    rows = toys.table(20, seed=2)
    alone = [
        engine.predict({name: values[at : at + 1] for name, values in rows.items()})
        for at in range(20)
    ]
    together = engine.predict(rows)

    assert np.concatenate([answer["probabilities"] for answer in alone]) == pytest.approx(
        together["probabilities"], abs=1e-6
    )
    assert [answer["prediction"][0] for answer in alone] == together["prediction"].tolist()


@pytest.mark.parametrize("kind", ["onnx", "skops"])
def test_a_changed_byte_is_refused_before_anything_is_loaded(toys, stored, kind: str) -> None:
    """A model file that differs from its manifest never reaches a loader."""
    folder, form = stored(toys.fitted(), kind)
    file = folder / form.model_file
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)

    with pytest.raises(ManifestMismatch, match=form.model_file):
        load(folder, form, trusted=())


def test_types_beyond_the_allow_list_are_named_and_refused(toys, stored) -> None:
    """A skops file with a type that the settings don't list is refused by its name."""
    folder, form = stored(toys.fitted(last=toys.own()), "skops")

    with pytest.raises(IntegrityFailure, match="OwnModel"):
        load(folder, form, trusted=())
    assert (3,) == load(folder, form, trusted=toys.trusted).predict(toys.table(3))[
        "prediction"
    ].shape


def test_an_estimator_that_serving_would_refuse_is_not_written(toys) -> None:
    """Writing a skops file checks the same list that loading checks."""
    with pytest.raises(IntegrityFailure, match="OwnModel"):
        dump_skops(toys.fitted(last=toys.own()), ())


def test_bytes_that_are_no_model_are_an_integrity_failure(toys, tmp_path: Path, stored) -> None:
    """A file with a right manifest that ONNX Runtime can't read is refused with our error."""
    folder, form = stored(toys.fitted(), "onnx")
    (folder / form.model_file).write_bytes(b"nonsense")
    from mlplatform.registry import manifest  # noqa: PLC0415

    manifest.write(folder)
    with pytest.raises(IntegrityFailure, match="can't load"):
        load(folder, form, trusted=())


def test_a_signature_that_does_not_fit_the_model_is_refused(toys, stored) -> None:
    """Outputs or inputs that the model lacks are found at load, not at the first request."""
    folder, form = stored(toys.fitted(), "onnx")
    more = form.model_copy(
        update={"outputs": (*form.outputs, Output(name="spread", dtype="float64"))}
    )
    fewer = form.model_copy(update={"features": form.features[1:]})

    for wrong in (more, fewer):
        with pytest.raises(IntegrityFailure, match="disagree"):
            load(folder, wrong, trusted=())


def test_a_missing_feature_is_named(toys, stored) -> None:
    """A row without a feature is refused by its name."""
    engine = load(*stored(toys.fitted(), "onnx"), trusted=())
    rows = toys.table(2)
    del rows["colour"]

    with pytest.raises(InvalidInput, match="colour"):
        engine.predict(rows)


@given(st.lists(st.one_of(st.none(), st.text(max_size=3)), max_size=8))
def test_null_strings_become_the_empty_string(values: list[str | None]) -> None:
    """Models get null text as an empty string; other text and the caller's array stay."""
    given_values = np.empty(len(values), dtype=object)
    given_values[:] = values
    kept = given_values.copy()
    prepared = prepare({"colour": given_values}, [Feature(name="colour", dtype="string")])

    assert [value or "" for value in values] == prepared["colour"].tolist()
    assert kept.tolist() == given_values.tolist()


def test_a_signature_that_is_none_is_refused(tmp_path: Path) -> None:
    """A folder without a readable signature.json is not a model."""
    (tmp_path / "signature.json").write_text("{}")

    with pytest.raises(ManifestMismatch, match="signature"):
        read_signature(tmp_path)


def test_an_estimator_without_translation_is_an_input_error(toys) -> None:
    """What skl2onnx can't translate is said in one line, so that the export can fall back."""
    from sklearn.gaussian_process import GaussianProcessRegressor  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import FunctionTransformer  # noqa: PLC0415

    rows = toys.frame({"size": np.arange(4.0)}, toys.features[:1])
    estimator = make_pipeline(FunctionTransformer(np.log1p), GaussianProcessRegressor()).fit(
        rows, np.arange(4.0)
    )

    with pytest.raises(InvalidInput, match="can't be compiled to ONNX"):
        compile_onnx(estimator, toys.features[:1], ["prediction"], precision="float32")
