"""The author's model.py: seeded, and refused in words for its author."""

from __future__ import annotations

import sys

import pytest

from mlplatform.errors import InvalidInput
from mlplatform.trainer.estimator import builder

FOREST = """
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
def build(parameters):
    return make_pipeline(PCA(), RandomForestClassifier(random_state=5))
"""


def test_open_seeds_are_set_and_chosen_ones_kept(pinned) -> None:
    """A random_state left open gets the split's seed, also deep inside; one that is set stays."""
    made = pinned(model=FOREST, split={"seed": 17})
    found = builder(made)({}).get_params(deep=True)

    assert (17, 5) == (found["pca__random_state"], found["randomforestclassifier__random_state"])


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import nothing_like_this", "model.py failed"),
        ("def built(): pass", "no function build"),
        ("def build(parameters): raise ValueError('odd')", "odd"),
        ("def build(parameters): return 3", "int"),
    ],
)
def test_what_is_wrong_with_model_py_is_said(pinned, source: str, said: str) -> None:
    """A model.py that can't be run, has no build, or builds no estimator is refused clearly."""
    with pytest.raises(InvalidInput, match=said):
        builder(pinned(model=source))({})


@pytest.mark.parametrize("library", ["xgboost", "lightgbm", "catboost"])
def test_a_booster_that_is_not_installed_is_named_with_its_extra(
    pinned, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    """The trainer's image has a booster only when it was built with it."""
    monkeypatch.setitem(sys.modules, library, None)  # what the import system takes for "none"

    with pytest.raises(InvalidInput, match=library) as refused:
        builder(pinned(model=f"import {library}.sklearn"))

    assert f"mlplatform[{library}]" in str(refused.value.fix)
