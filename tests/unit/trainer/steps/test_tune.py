"""The search over parameters: drawn once each, in a time box."""

from __future__ import annotations

from typing import Any

import pytest

from mlplatform.engine.skops import frame
from mlplatform.errors import InvalidInput, Refused
from mlplatform.trainer import halving
from mlplatform.trainer.cross_validation import CrossValidation
from mlplatform.trainer.estimator import builder
from mlplatform.trainer.steps.tune import search


@pytest.fixture(autouse=True)
def _small_rungs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rungs of so few rows that a test is quick."""
    monkeypatch.setattr(halving, "LEAST_ROWS", 1000)


def _search(table: Any, pinned: Any, *, size: int = 120, **more: Any) -> Any:
    rows = table(size)
    data = frame(rows.features, pinned.features.features)
    folds = CrossValidation(builder(pinned), data, rows.labels, pinned.definition, jobs=1)
    return search(folds, **({"check": lambda: None} | more))


def test_tuning_takes_the_best_mean(table, pinned) -> None:
    """The best combination has the best mean over the folds, whichever way the metric points."""
    higher = _search(table, pinned())
    lower = _search(
        table, pinned(tuning={"metric": "log_loss", "space": {"c": [1e-6, 1.0]}, "folds": 2})
    )

    assert higher.best == max(higher.trials, key=lambda trial: trial.mean).parameters
    assert {"c": 1.0} == lower.best
    assert [3, 3, 3] == [len(trial.scores) for trial in higher.trials]


def test_no_combination_starts_after_the_time_is_up(table, pinned) -> None:
    """One that takes 80 s, and 40 s around it, leaves no room in 100 s; one always runs."""
    ticks = iter(range(0, 10_000, 40))
    cut = _search(
        table,
        pinned(tuning={"metric": "roc_auc", "space": {"c": [1, 2, 3]}, "budget_s": 100}),
        clock=lambda: float(next(ticks)),
    )
    ticks = iter(range(0, 10_000_000, 40_000))
    least = _search(table, pinned(), clock=lambda: float(next(ticks)))

    assert (1, 3) == (len(cut.trials), cut.planned)
    assert (1, 3) == (len(least.trials), least.planned)


def test_a_combination_that_fails_is_a_result(table, pinned) -> None:
    """A combination that fails is recorded with its reason; when all fail the run says so."""
    some = _search(table, pinned(tuning={"metric": "roc_auc", "space": {"c": [-1.0, 1.0]}}))

    assert {"c": 1.0} == some.best
    assert [True] == [
        bool(trial.failure) for trial in some.trials if trial.parameters == {"c": -1.0}
    ]
    with pytest.raises(InvalidInput, match="no combination"):
        _search(table, pinned(tuning={"metric": "roc_auc", "space": {"c": [-1.0]}}))


def test_a_lost_lease_stops_the_search(table, pinned) -> None:
    """The check before each combination may end the search."""

    def lost() -> None:
        raise Refused("lost")

    with pytest.raises(Refused, match="lost"):
        _search(table, pinned(), check=lost)


HALVING = {"metric": "roc_auc", "search": "halving", "folds": 2, "trials": 9}
SPACE = {"c": [1e-9, 1e-8, 1e-7, 1e-6, 0.01, 0.1, 1.0, 3.0, 10.0]}


def test_halving_tries_only_the_best_on_all_rows(table, pinned) -> None:
    """Nine combinations on a third of the rows, then the best three of them on all."""
    found = _search(table, pinned(tuning=HALVING | {"space": SPACE}), size=3000)
    first, last = found.trials[:9], found.trials[9:]
    best = sorted(first, key=lambda trial: -trial.mean)[:3]

    assert [1000] * 9 + [3000] * 3 == [trial.rows for trial in found.trials]
    assert [trial.parameters for trial in best] == [trial.parameters for trial in last]
    assert found.best == max(last, key=lambda trial: trial.mean).parameters
    assert 12 == found.planned


def test_halving_out_of_time_takes_the_best_of_the_most_rows(table, pinned) -> None:
    """A combination that reached all rows wins against scores on fewer rows, however high."""
    ticks = iter(range(0, 10_000, 10))
    tuning = HALVING | {"space": SPACE, "budget_s": 285}
    cut = _search(table, pinned(tuning=tuning), size=3000, clock=lambda: float(next(ticks)))

    assert (10, 12) == (len(cut.trials), cut.planned)
    assert cut.best == cut.trials[-1].parameters


def test_halving_goes_on_without_what_failed(table, pinned) -> None:
    """A combination that fails has no place in the next rung."""
    tuning = HALVING | {"space": {"c": [-1.0, -2.0, -3.0, 1.0]}}
    found = _search(table, pinned(tuning=tuning), size=3000)

    assert [1000] * 4 + [3000] == [trial.rows for trial in found.trials]
    assert ({"c": 1.0}, 5) == (found.best, found.planned)


def test_tpe_ends_with_the_time_and_takes_the_best(table, pinned) -> None:
    """It is asked for one combination at a time, so that none is left over when the time is up."""
    ticks = iter(range(0, 10_000, 10))
    tuning = {"metric": "roc_auc", "search": "tpe", "trials": 9, "folds": 2, "budget_s": 165}
    tuning["space"] = {"c": {"low": 1e-9, "high": 10.0, "log": True}}
    cut = _search(table, pinned(tuning=tuning), clock=lambda: float(next(ticks)))
    whole = _search(table, pinned(tuning=tuning | {"budget_s": 1000}))

    assert (6, 9, 9) == (len(cut.trials), cut.planned, len(whole.trials))
    assert [one.parameters for one in cut.trials] == [one.parameters for one in whole.trials[:6]]
    assert cut.best == max(cut.trials, key=lambda trial: trial.mean).parameters
