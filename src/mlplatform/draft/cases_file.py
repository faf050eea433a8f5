"""cases.yaml of a first version: a usual row, and what a model that is worth it says of some."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mlplatform.draft import rows
from mlplatform.draft.baseline import Baseline
from mlplatform.draft.figures import flow, number, scalar, significant
from mlplatform.draft.plan import Plan

_SURE = 0.8  # probability from which a class is expected as such
_FEW_ROWS = 200  # with fewer, models differ much by their parameters

_HEAD = """\
# How the model must behave, whatever its metrics are. These cases hold for a quick model, with
# room. Add what you know: that more of something never helps, that a detail never matters:
#   - {name: a longer way never helps, kind: monotone, row: usual, column: distance_km,
#      values: [50, 200, 900], direction: up, of: late, tolerance: 0.05}
"""


def cases_file(plan: Plan, found: Baseline) -> str:
    """The text of cases.yaml."""
    chosen = _classes(plan, found) if plan.task == "classification" else _numbers(plan, found)
    named: dict[str, int] = {}
    cases = []
    for name, place, case in chosen:
        named[name] = int(found.at[place])
        cases.append(f"  - {flow(case)}")
    lines = [f"  {name}: {_row(plan, at)}" for name, at in named.items()]
    return "\n".join([_HEAD + "rows:", *lines, "", "cases:", *cases, ""])


def _row(plan: Plan, at: int) -> str:
    return flow({name: scalar(value) for name, value in rows.row(plan, at).items()})


_Case = tuple[str, int, dict[str, str]]


def _classes(plan: Plan, found: Baseline) -> Iterator[_Case]:
    classes = plan.target.distinct
    truth = rows.labels(plan)[found.at]
    counts = [int((truth == name).sum()) for name in classes]
    most = int(np.argmax(counts))
    mine = np.flatnonzero(truth == classes[most])
    chances = found.predicted[mine, most]
    usual = mine[np.argsort(chances)[len(chances) // 2]]
    least = _half(plan, found.predicted[usual, most])
    class_ = scalar(classes[most])
    name = scalar(f"a usual row may well be {classes[most]}")
    case = {"name": name, "kind": "bounds", "row": "usual", "of": class_, "min": least}
    yield "usual", usual, case
    for place in np.argsort(counts)[::-1][:2]:
        mine = np.flatnonzero(truth == classes[place])
        if len(mine):
            best = mine[np.argmax(found.predicted[mine, place])]
            yield _plain(plan, int(place), best, float(found.predicted[best, place]))


def _plain(plan: Plan, place: int, at: int, chance: float) -> _Case:
    """The row of a class of which the quick model was surest."""
    row, name = f"plain_{place + 1}", plan.target.distinct[place]
    case = {"name": scalar(f"a plain {name}"), "kind": "bounds", "row": row}
    if chance >= _SURE and plan.rows >= _FEW_ROWS:
        case |= {"kind": "exact", "expect": scalar(name)}
    else:
        case |= {"of": scalar(name), "min": _half(plan, chance)}
    return row, at, case


def _half(plan: Plan, chance: float) -> str:
    """A part of a probability that other models of such rows reach too, in hundredths."""
    return number(np.floor((50 if plan.rows >= _FEW_ROWS else 25) * chance) / 100)


def _numbers(plan: Plan, found: Baseline) -> Iterator[_Case]:
    truth = rows.labels(plan)[found.at].astype(np.float64)
    middle, spread = float(np.median(truth)), float(np.std(truth))
    order = np.argsort(found.predicted)
    usual = order[len(order) // 2]
    said = float(found.predicted[usual])
    bounds = {"min": _figure(said - spread), "max": _figure(said + spread)}
    yield "usual", usual, {"name": "a usual row", "kind": "bounds", "row": "usual", **bounds}
    if found.score < 0.1:
        return  # it knows too little for more
    for row, at, bound, words in (
        ("high", order[-1 - len(order) // 50], "min", "a high one is above the middle"),
        ("low", order[len(order) // 50], "max", "a low one is below the middle"),
    ):
        limit = middle - 0.25 * spread if bound == "min" else middle + 0.25 * spread
        yield row, at, {"name": words, "kind": "bounds", "row": row, bound: _figure(limit)}


def _figure(value: float) -> str:
    return number(significant(value))
