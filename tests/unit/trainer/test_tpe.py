"""Which combinations a search by TPE tries."""

from __future__ import annotations

import math
from typing import Any

import pytest

from mlplatform.trainer.combinations import combinations
from mlplatform.trainer.results import Trial
from mlplatform.trainer.tpe import TreeParzen

SPACE = {
    "rate": {"low": 0.001, "high": 1.0, "log": True},
    "depth": {"low": 1, "high": 12},
    "share": [0.25, 0.5, 0.75, 1.0],
    "kind": [None, "gold", True],
}
_LISTS = {"rate": [0.1, 0.2, 0.3, 0.4, 0.5], "depth": [9], "share": [1, 0.5], "kind": ["gold"]}


def _distance(parameters: Any) -> float:
    """How far a combination is from the one that would be best."""
    off = abs(math.log10(parameters["rate"]) + 2) + abs(parameters["depth"] - 9) / 4
    return off + abs(parameters["share"] - 0.5) + (parameters["kind"] != "gold")


def _tried(definition: Any, trials: int, *, seed: int = 0, sign: int = 1, **more: Any) -> Any:
    """All trials of a search whose score is known for every combination."""
    tuning = {"metric": "rmse", "space": SPACE, "trials": trials, "search": "tpe"} | more
    known = definition(
        task="regression",
        target={"name": "left", "dtype": "float64"},
        split={"seed": seed},
        tuning=tuning,
        gates=[{"metric": "rmse", "max": 9}],
    )
    plan, done = combinations(known), list[Trial]()
    search = TreeParzen(plan, known)
    while len(done) < len(plan):
        done.append(_trial(search.propose(done), sign))
    return plan, done


def _trial(parameters: dict[str, Any], sign: int) -> Trial:
    if parameters.get("kind", "") is None:
        return Trial(parameters, failure="no kind")
    return Trial(parameters, (sign * _distance(parameters),))


def test_the_same_seed_and_scores_give_the_same_combinations(definition: Any) -> None:
    """So that a training can be repeated; another seed gives others."""
    _, first = _tried(definition, 20)

    assert first == _tried(definition, 20)[1]
    assert first != _tried(definition, 20, seed=1)[1]


def test_it_begins_as_a_random_search_and_comes_nearer(definition: Any) -> None:
    """A third of the trials are the plan's own; what follows is better by far, either way round."""
    for sign, metric in ((1, "rmse"), (-1, "r2")):
        plan, done = _tried(definition, 30, sign=sign, metric=metric)
        random = [_distance(one) for one in plan[10:]]
        found = [_distance(trial.parameters) for trial in done[10:]]

        assert plan[:10] == [trial.parameters for trial in done[:10]]
        assert sum(found) < 0.7 * sum(random)


def test_every_value_is_one_of_the_space(definition: Any) -> None:
    """Numbers within their range and of its type; of a list its own items, whatever they are."""
    for trial in _tried(definition, 40)[1]:
        found = trial.parameters

        assert list(SPACE) == sorted(found, key=list(SPACE).index)
        assert 0.001 <= found["rate"] <= 1
        assert type(found["depth"]) is int
        assert 1 <= found["depth"] <= 12
        assert found["share"] in SPACE["share"]
        assert any(found["kind"] is one for one in SPACE["kind"])


def test_no_combination_is_tried_twice(definition: Any) -> None:
    """A small space is tried wholly, however often the best of it is proposed again."""
    space = {
        "rate": [0.001, 0.01],
        "depth": {"low": 8, "high": 9},
        "share": [0.5, 1],
        "kind": ["gold", "tin"],
    }
    ranges, lists = _tried(definition, 40, space=space)[1], _tried(definition, 99, space=_LISTS)[1]

    assert len(ranges) == len({repr(sorted(trial.parameters.items())) for trial in ranges}) == 16
    assert 10 == len({repr(sorted(trial.parameters.items())) for trial in lists})


def test_what_fails_teaches_nothing_and_is_not_tried_again(definition: Any) -> None:
    """The search goes on, even where everything fails."""
    _, done = _tried(definition, 12, space=SPACE | {"kind": [None]})

    assert [True] * 12 == [math.isnan(trial.mean) for trial in done]
    assert 12 == len({repr(sorted(trial.parameters.items())) for trial in done})


def test_it_says_nothing_of_its_own(definition: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """Optuna logs every study to stderr; the run's log has what matters."""
    _tried(definition, 5)

    assert ("", "") == tuple(capfd.readouterr())
