"""Optuna's TPE: combinations near the good ones of the trials so far, far from the bad ones.

The first ones are the draws of a random search. Optuna only proposes: trials run here, its study
lies in memory, and it is asked anew for every combination, so that the search can end at any time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from mlplatform.contracts.pipeline import LOWER_IS_BETTER, PipelineDefinition
from mlplatform.contracts.ranges import Range
from mlplatform.trainer.results import Trial

FIRST = 3
"""Least random combinations before Optuna proposes any, where there are so many."""
FIRST_MOST = 10
"""What Optuna itself begins with; a third of the trials where they are fewer than thirty."""
_DRAWS = 20
"""So often a combination that was tried is drawn again, before one of the plan is taken."""


class TreeParzen:
    """Proposes combinations of `tuning.space`, none twice, the same ones for a seed and scores."""

    def __init__(self, plan: Sequence[dict[str, Any]], definition: PipelineDefinition) -> None:
        """`plan` is what a random search would try, without repetition. Needs Optuna."""
        # Only a search by TPE needs it, and not every image has it.
        import optuna  # noqa: PLC0415

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._optuna, self._plan = optuna, plan
        self._first = min(FIRST_MOST, max(FIRST, len(plan) // 3))
        self._space = {
            name: _Axis(optuna.distributions, one)
            for name, one in sorted(definition.tuning.space.items())
        }
        self._distributions = {name: axis.distribution for name, axis in self._space.items()}
        lower = definition.tuning.metric in LOWER_IS_BETTER
        self._study = optuna.create_study(
            direction="minimize" if lower else "maximize",
            sampler=optuna.samplers.TPESampler(seed=definition.split.seed, n_startup_trials=2),
        )
        self._tried = set[str]()

    def propose(self, trials: Sequence[Trial]) -> dict[str, Any]:
        """The next combination after these, which are all so far and fewer than the plan's."""
        for trial in trials[len(self._tried) :]:
            self._learn(trial)
        if len(trials) < self._first:
            return self._plan[len(trials)]
        for _ in range(_DRAWS):
            drawn = self._study.ask(self._distributions)
            # What became of it is told as a trial of its own: one way for draws and for the plan.
            self._study.tell(drawn, state=self._optuna.trial.TrialState.FAIL)
            found = {name: self._space[name].value(drawn.params[name]) for name in self._space}
            if _key(found) not in self._tried:
                return found
        # The plan has no combination twice and is longer than what was tried.
        return next(one for one in self._plan if _key(one) not in self._tried)

    def _learn(self, trial: Trial) -> None:
        self._tried.add(_key(trial.parameters))
        if math.isnan(trial.mean):
            return
        places = {name: axis.place(trial.parameters[name]) for name, axis in self._space.items()}
        self._study.add_trial(
            self._optuna.trial.create_trial(
                params=places, distributions=self._distributions, value=trial.mean
            )
        )


class _Axis:
    """One parameter as Optuna sees it: a range as it is, of a list the positions.

    Positions, since Optuna takes few types as candidates. Of a list of ascending or descending
    numbers neighbours are alike; all others have no order.
    """

    def __init__(self, distributions: Any, of: Range | list[Any]) -> None:
        self._list = None if isinstance(of, Range) else of
        if not isinstance(of, Range):
            places = range(len(of))
            self.distribution = (
                distributions.IntDistribution(0, len(of) - 1)
                if _ordered(of)
                else distributions.CategoricalDistribution(list(places))
            )
        elif of.whole:
            self.distribution = distributions.IntDistribution(of.low, of.high, log=of.log)
        else:
            ends = float(of.low), float(of.high)
            self.distribution = distributions.FloatDistribution(*ends, log=of.log)

    def value(self, place: Any) -> Any:
        """What the estimator gets."""
        return place if self._list is None else self._list[place]

    def place(self, value: Any) -> Any:
        """What Optuna knows it by."""
        return value if self._list is None else list(map(repr, self._list)).index(repr(value))


def _key(parameters: Mapping[str, Any]) -> str:
    return repr(sorted(parameters.items()))


def _ordered(candidates: Sequence[Any]) -> bool:
    if not all(type(one) in (int, float) for one in candidates):
        return False
    steps = [later - one for one, later in pairwise(candidates)]
    return all(step > 0 for step in steps) or all(step < 0 for step in steps)
