"""Do a foreign model's features and classes belong to the pipeline?"""

from __future__ import annotations

from typing import Any

import pytest

from mlplatform.contracts.columns import Feature
from mlplatform.contracts.pipeline import Target
from mlplatform.engine.foreign.file import ForeignFile, classes_of, order_of
from mlplatform.errors import InvalidInput


def _file(classes: tuple[str, ...] = (), **target: Any) -> ForeignFile:
    features = tuple(Feature(name=name, dtype="float64") for name in ("age", "calls"))
    declared = Target(**{"name": "left", "dtype": "string", "values": ("no", "yes")} | target)
    return ForeignFile("xgboost", b"", features, "classification", declared, classes, ())


def test_names_in_the_file_decide_the_order() -> None:
    """Without names in it, the pipeline's order is taken."""
    assert ("calls", "age") == order_of(_file(), ["calls", "age"], 2)
    assert ("age", "calls") == order_of(_file(), None, 2)
    assert ("age", "calls") == order_of(_file(), None, None)


@pytest.mark.parametrize(
    ("known", "count", "theirs"),
    [(["age", "minutes"], 2, "age, minutes"), (["age"], 1, "age"), (None, 3, "takes 3")],
)
def test_other_features_are_refused_with_both_lists(known: Any, count: int, theirs: str) -> None:
    """By name or by number."""
    with pytest.raises(InvalidInput, match=f"features are age, calls; .*{theirs}"):
        order_of(_file(), known, count)


def test_classes_are_the_targets_values() -> None:
    """As the file names them, or a person does, in the file's order."""
    assert ("yes", "no") == classes_of(_file(), ["yes", "no"], 2)
    assert ("yes", "no") == classes_of(_file(("yes", "no")), None, 2)
    assert ("no", "yes") == classes_of(_file(("no", "yes")), [0, 1], 2)
    assert (0, 1, 2) == classes_of(_file(dtype="int64", values=None), None, 3)
    assert (0, 1) == classes_of(_file(dtype="bool", values=None), None, 2)


@pytest.mark.parametrize(
    ("names", "own", "count"),
    [((), None, 2), ((), ["no", "maybe"], 2), (("no", "yes", "yes"), None, 3), (("no",), None, 2)],
)
def test_classes_that_are_no_values_are_refused(names: Any, own: Any, count: int) -> None:
    """Numbers for texts, a class too many, one twice, one too few."""
    with pytest.raises(InvalidInput) as refused:
        classes_of(_file(names), own, count)

    assert "--classes" == refused.value.field
