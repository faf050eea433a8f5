"""The combinations of parameters that a search tries."""

from __future__ import annotations

import math
from typing import Any

from sklearn.model_selection import ParameterSampler

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.contracts.ranges import Range


def combinations(definition: PipelineDefinition) -> list[dict[str, Any]]:
    """At most `tuning.trials`, drawn with the split's seed, none twice."""
    space, seed = definition.tuning.space, definition.split.seed
    if not space:
        return []
    lists = [one for one in space.values() if not isinstance(one, Range)]
    # Without a range they are drawn from the grid, so that small ones are tried wholly.
    most = math.prod(map(len, lists)) if len(lists) == len(space) else definition.tuning.trials
    given = {name: _Drawn(one) if isinstance(one, Range) else one for name, one in space.items()}
    drawn = ParameterSampler(given, n_iter=min(definition.tuning.trials, most), random_state=seed)
    return list({repr(one): one for one in drawn}.values())


class _Drawn:
    """A range as scikit-learn draws from it."""

    def __init__(self, of: Range) -> None:
        self._range = of

    def rvs(self, random_state: Any) -> int | float:
        """One number; Python's own type, which every estimator takes."""
        one = self._range
        # Rounding gives each end half a number more, so that it is as likely as its neighbours.
        half = 0.5 if one.whole else 0.0
        ends = (one.low - half, one.high + half)
        if one.log:
            found = math.exp(random_state.uniform(*map(math.log, ends)))
        else:
            found = float(random_state.uniform(*ends))
        return min(max(round(found) if one.whole else found, one.low), one.high)
