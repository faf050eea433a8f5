"""pipeline.yaml of a first version, with a comment where a person should decide."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from mlplatform.draft import rows
from mlplatform.draft.baseline import Baseline
from mlplatform.draft.figures import flow, number, outward, scalar
from mlplatform.draft.model_file import MANY, SPACES
from mlplatform.draft.plan import Plan
from mlplatform.draft.table import TableColumn

_EXAMPLES = 3
_LEAST_ROWS = 50
_REPEATED = 0.05


def pipeline_file(plan: Plan, found: Baseline, said: Sequence[str]) -> str:
    """The text of pipeline.yaml; `said` are the findings."""
    return "\n".join(
        [*_head(plan, said), *_columns(plan), *_fields(plan), *_rules(plan, found), ""]
    )


def _head(plan: Plan, said: Sequence[str]) -> Iterator[str]:
    yield f"# Written from {plan.rows} rows of {plan.source}. It is yours: read it, and change it."
    for line in said:
        yield f"# ! {line}"
    yield f"name: {plan.name}"
    yield "# In plain words: what is predicted, for whom, and what is done with it."
    text = f"Predicts {plan.target.name} from {len(plan.features)} columns of {plan.source}."
    yield f"description: {scalar(text)}"
    yield f"task: {plan.task}"
    yield ""


def _columns(plan: Plan) -> Iterator[str]:
    yield "# A request's columns. A row beyond min and max, or of other values, goes to quarantine."
    yield "# These bounds are the file's, with room: put in what can be. Fill in units."
    yield "columns:"
    for column in plan.columns:
        yield f"  - {flow(_column(column, column.name in plan.left_out))}"
    yield ""


def _column(column: TableColumn, left_out: bool) -> dict[str, str]:
    dtype = "string" if column.kind == "time" else column.kind
    found = {"name": column.name, "dtype": dtype}
    if column.kind in ("float64", "int64"):
        found["unit"] = '""'
    if column.nulls and dtype in ("float64", "string"):
        found["nullable"] = "true"
    distinct = column.distinct
    if dtype == "string" and distinct:
        few = len(distinct) <= MANY and not left_out and len(distinct) * 5 <= len(column.cells)
        some = distinct if few else _common(column)
        found["values" if few else "example"] = f"[{', '.join(map(scalar, some))}]"
    elif column.kind in ("float64", "int64") and distinct and not left_out:
        low, high = _range(column)
        found |= {"min": number(low), "max": number(high)}
    return found


def _common(column: TableColumn) -> list[str]:
    texts, counts = np.unique(column.present, return_counts=True)
    return [str(text) for text in texts[np.argsort(-counts, kind="stable")[:_EXAMPLES]]]


def _range(column: TableColumn) -> tuple[float, float]:
    """The numbers of the file with half their spread more at both ends, but not through zero."""
    low, high = float(column.present.min()), float(column.present.max())
    room = (high - low) / 2 or max(1.0, abs(high) / 2)
    below = outward(low - room, up=False) if low < 0 or low - room > 0 else 0.0
    above = outward(high + room, up=True) if high > 0 or high + room < 0 else 0.0
    whole = column.kind == "int64"
    return (math.floor(below), math.ceil(above)) if whole else (below, above)


def _fields(plan: Plan) -> Iterator[str]:
    target = {"name": plan.target.name, "dtype": plan.target.kind}
    if plan.target.kind == "string":
        counts = {name: int((plan.target.cells == name).sum()) for name in plan.target.distinct}
        names = sorted(counts, key=lambda name: -counts[name])
        target["values"] = f"[{', '.join(map(scalar, names))}]"
        if len(names) == 2:
            yield "# Of two classes the last one is the positive one."
    yield f"target: {flow(target)}"
    if plan.key is not None:
        yield f"key: {plan.key.name}"
    else:
        yield "# key: the field with your own id of a row, so that labels can follow later"
    if plan.time is not None:
        yield f"time: {plan.time.name}"
    yield ""


def _rules(plan: Plan, found: Baseline) -> Iterator[str]:
    nulls = max((column.nulls / plan.rows for column in plan.columns), default=0.0)
    odd = any(column.odd for column in [*plan.columns, plan.target])
    validation = {
        "min_rows": str(max(1, min(_LEAST_ROWS, plan.rows // 2))),
        "max_null_share": number(max(0.5, min(1.0, math.ceil(100 * nulls + 5) / 100))),
        "max_quarantined_share": "0.2" if odd else "0.05",
    }
    yield f"validation: {flow(validation)}"
    yield f"split: {{test_share: 0.25, by: {_split(plan, found)}, seed: 1}}"
    yield "tuning:"
    yield f"  metric: {found.metric}"
    yield f"  space: {SPACES[found.kind, plan.task]}"
    yield "  trials: 4"
    yield "  folds: 3"
    yield "  budget_s: 60"
    yield f"# A quick model reached {found.metric} {found.score:.3f} on unseen rows{_where(found)}."
    yield "# A version below the first bound is not proposed: ask for what makes it worth its use."
    yield "gates:"
    yield f"  - {{metric: {found.metric}, min: {number(_bound(found))}}}"
    tolerance = number(math.ceil(100 * found.chance) / 100)
    yield f"  - {{metric: {found.metric}, against: champion, tolerance: {tolerance}}}"
    yield ""
    yield "# manual: a person approves a version; auto: one that passes its gates serves at once."
    yield "approval: manual"


def _split(plan: Plan, found: Baseline) -> str:
    if found.by_time:
        return "time"
    repeated = float(rows.features(plan).duplicated().mean())
    return "content" if plan.key is None and repeated > _REPEATED else "random"


def _where(found: Baseline) -> str:
    if found.by_time:
        return ": the latest quarter"
    return f" ({', '.join(f'{score:.3f}' for score in found.scores)})"


def _bound(found: Baseline) -> float:
    room = 0.05 if found.by_time else 0.0
    return math.floor(100 * (found.surely - room)) / 100
