"""Which combinations of parameters a search tries."""

from __future__ import annotations

from typing import Any

import pytest

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.errors import InvalidInput
from mlplatform.trainer.combinations import combinations


def _drawn(definition: Any, trials: int, **space: Any) -> list[dict[str, Any]]:
    return combinations(definition(tuning={"metric": "roc_auc", "space": space, "trials": trials}))


def test_combinations_are_drawn_once_each_with_the_seed(definition: Any) -> None:
    """No combination twice, never more than there are, the same ones for the same seed."""
    space = {"a": [1, 2, 3, 4], "b": [True, False]}
    few, every = _drawn(definition, 5, **space), _drawn(definition, 99, **space)

    assert few == _drawn(definition, 5, **space)
    assert 5 == len({str(item) for item in few})
    assert len({str(item) for item in every}) == len(every) == 8
    assert [] == _drawn(definition, 5)


def test_numbers_of_a_range_are_within_it(definition: Any) -> None:
    """Whole ones where both ends are whole, both ends among them, as often as all others."""
    drawn = _drawn(definition, 4000, depth={"low": 3, "high": 6}, share={"low": 0.5, "high": 1})
    depths = [one["depth"] for one in drawn]

    assert {3, 4, 5, 6} == set(depths)
    assert all(type(depth) is int for depth in depths)
    assert all(900 < depths.count(depth) < 1100 for depth in (3, 4, 5, 6))
    assert all(0.5 <= one["share"] <= 1 and type(one["share"]) is float for one in drawn)


def test_a_range_may_be_drawn_by_its_logarithm(definition: Any) -> None:
    """Each tenfold is as likely as the next, of whole numbers too."""
    drawn = _drawn(
        definition,
        3000,
        rate={"low": 0.001, "high": 1.0, "log": True},
        trees={"low": 1, "high": 1000, "log": True},
    )

    assert 900 < sum(one["rate"] < 0.01 for one in drawn) < 1100
    assert 1 == min(one["trees"] for one in drawn)
    assert 900 <= max(one["trees"] for one in drawn) <= 1000


def test_a_small_range_gives_no_combination_twice(definition: Any) -> None:
    """Fewer than asked for are tried, then."""
    drawn = _drawn(definition, 50, depth={"low": 1, "high": 3})

    assert [1, 2, 3] == sorted(one["depth"] for one in drawn)


@pytest.mark.parametrize(
    ("given", "field", "problem"),
    [
        ({"low": 3, "high": 3}, "high", "high must be above it"),
        ({"low": 0, "high": 3, "log": True}, "low", "begins above 0"),
        ({"low": 1}, "high", "Field required"),
        ({"low": 1, "high": 2, "step": 1}, "step", "Extra inputs"),
        ({"low": 1, "high": float("inf")}, "high", "finite"),
        ([], "", "give a list of candidates, or a range"),
        (3, "", "give a list of candidates, or a range"),
    ],
)
def test_a_range_that_means_nothing_is_refused(
    definition: Any, given: Any, field: str, problem: str
) -> None:
    """With the key of the range that is wrong."""
    with pytest.raises(InvalidInput, match=problem) as refused:
        _drawn(definition, 5, depth=given)

    assert ".".join(filter(None, ("tuning.space.depth", field))) == refused.value.field


def test_a_definition_with_a_range_survives_storing(definition: Any) -> None:
    """It is kept as JSON and read again; its ends are what a rehearsal tries."""
    found = definition(
        tuning={"metric": "roc_auc", "space": {"a": {"low": 1, "high": 9}, "b": ["x", "y", "z"]}}
    )

    again = PipelineDefinition.parse(found.model_dump(mode="json"))

    assert found == again
    assert ({"a": 1, "b": "x"}, {"a": 9, "b": "z"}) == again.tuning.ends()
