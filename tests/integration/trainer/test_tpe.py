"""Whole trainings whose parameters are found by TPE."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from mlplatform.errors import InvalidInput

TUNING = {
    "metric": "roc_auc",
    "search": "tpe",
    "trials": 9,
    "folds": 2,
    "space": {"c": {"low": 0.0001, "high": 10.0, "log": True}},
}


def _known(run: dict[str, Any]) -> dict[str, float]:
    return {one["key"]: float(one["value"]) for one in run["data"]["metrics"]}


def test_a_training_by_tpe_tries_what_it_was_asked_for_and_can_be_repeated(bank: Any) -> None:
    """As many combinations as planned, the best one within the range; a second run is the same."""
    bank.apply(tuning=TUNING)
    first, second = bank.train(), bank.train()
    later, run = bank.runs()
    (best,) = [one["value"] for one in run["data"]["params"] if one["key"] == "best_c"]

    assert (9, 9) == (_known(run)["tuning_trials"], _known(run)["tuning_planned"])
    assert 0.0001 <= float(best) <= 10
    assert (first.metrics, first.manifest_sha256) == (second.metrics, second.manifest_sha256)
    assert _known(run)["tuning_mean"] == _known(later)["tuning_mean"]


def test_without_its_library_a_search_is_refused_when_applied_and_when_run(
    bank: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, with what to install; a pipeline that was applied before is refused by its run."""
    bank.apply(tuning=TUNING)
    monkeypatch.setitem(sys.modules, "optuna", None)  # what the import system takes for "none"

    for act in (bank.train, lambda: bank.apply(tuning=TUNING | {"trials": 10})):
        with pytest.raises(InvalidInput, match="tpe needs optuna") as refused:
            act()
        assert "tuning.search" == refused.value.field
        assert "mlplatform[optuna]" in str(refused.value.fix)
    bank.apply(tuning=TUNING | {"search": "random"})
    assert "champion" == bank.train().state
