"""model.py of a first version: a good default for a table of numbers and texts."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from string import Template
from typing import Any, Literal

from mlplatform.draft.plan import Plan
from mlplatform.draft.table import TableColumn

Kind = Literal["trees", "linear"]
KINDS: tuple[Kind, ...] = ("linear", "trees")
"""Of equals the first one is taken: it is smaller, and easier to understand."""
MANY = 12
"""Texts of one column that get a column of their own each for trees. Of more, each is a number."""
_WIDE = 200  # such columns that a linear model is given

_ONE_HOT = 'OneHotEncoder(handle_unknown="ignore", sparse_output=False)'
SPACES: dict[tuple[Kind, str], str] = {
    ("trees", "classification"): "{learning_rate: [0.05, 0.1], max_leaf_nodes: [15, 31]}",
    ("trees", "regression"): "{learning_rate: [0.05, 0.1], max_leaf_nodes: [15, 31]}",
    ("linear", "classification"): "{c: [0.03, 0.1, 1.0, 10.0]}",
    ("linear", "regression"): "{alpha: [0.1, 1.0, 10.0, 100.0]}",
}
"""What is worth searching, for pipeline.yaml."""

_TREES = '''"""Boosted trees, which take nulls and any numbers. A quick trial preferred them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoosting$Kind
from sklearn.pipeline import Pipeline
$imports
$columns


def build(parameters: Mapping[str, Any]) -> Pipeline:
    """Unfitted. `learning_rate` is a tree's share of the answer, `max_leaf_nodes` bounds a tree."""
    columns = ColumnTransformer(
        [
$steps
        ]
    )
    trees = HistGradientBoosting$Kind(
        learning_rate=parameters.get("learning_rate", 0.1),
        max_leaf_nodes=parameters.get("max_leaf_nodes", 31),
        random_state=0,
    )
    return Pipeline([("columns", columns), ("trees", trees)])
'''

_LINEAR = '''"""$What on scaled numbers. A quick trial preferred it to boosted trees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sklearn.compose import ColumnTransformer
$imputer_import
from sklearn.linear_model import $Estimator
from sklearn.pipeline import Pipeline$make_pipeline
from sklearn.preprocessing import $preprocessing

$columns


def build(parameters: Mapping[str, Any]) -> Pipeline:
    """Unfitted. `$parameter` $meaning."""
    columns = ColumnTransformer(
        [
$steps
        ]
    )
    linear = $Estimator($arguments)
    return Pipeline([("columns", columns), ("linear", linear)])
'''


def model_file(plan: Plan, kind: Kind) -> str:
    """The text of model.py."""
    return _trees(plan) if kind == "trees" else _linear(plan)


def build(plan: Plan, kind: Kind) -> Any:
    """What `build` of that file returns, with its defaults."""
    space: dict[str, Any] = {"__name__": "model"}
    exec(compile(model_file(plan, kind), "model.py", "exec"), space)  # noqa: S102  (our own text)
    return space["build"]({})


def _trees(plan: Plan) -> str:
    steps = _Steps(
        few=[column for column in _strings(plan) if len(column.distinct) <= MANY],
        many=[column for column in _strings(plan) if len(column.distinct) > MANY],
        numbers=_numbers(plan),
    )
    encoders = ["OneHotEncoder"] * bool(steps.few) + ["OrdinalEncoder"] * bool(steps.many)
    return Template(_TREES).substitute(
        Kind="Classifier" if plan.task == "classification" else "Regressor",
        imports=f"from sklearn.preprocessing import {', '.join(encoders)}\n" if encoders else "",
        columns=steps.lists(),
        steps=steps.lines('"passthrough"'),
    )


def _linear(plan: Plan) -> str:
    nulls = any(column.nulls for column in _numbers(plan))
    classes = plan.task == "classification"
    few = [column for column in _strings(plan) if len(column.distinct) <= _WIDE]
    # Rather wide than without a column.
    few = few or ([] if _numbers(plan) else _strings(plan))
    steps = _Steps(few=few, many=[], numbers=_numbers(plan))
    preprocessing = ["OneHotEncoder"] * bool(few) + ["StandardScaler"] * bool(steps.numbers)
    step = 'make_pipeline(SimpleImputer(strategy="median"), StandardScaler())'
    text = Template(_LINEAR).substitute(
        What="Logistic regression" if classes else "Ridge regression",
        Estimator="LogisticRegression" if classes else "Ridge",
        imputer_import="from sklearn.impute import SimpleImputer" if nulls else "",
        make_pipeline=", make_pipeline" if nulls else "",
        preprocessing=", ".join(preprocessing),
        columns=steps.lists(),
        steps=steps.lines(step if nulls else "StandardScaler()"),
        parameter="c" if classes else "alpha",
        meaning=f"is the {'inverse ' * classes}strength of the regularisation",
        arguments='C=parameters.get("c", 1.0), max_iter=2_000'
        if classes
        else 'alpha=parameters.get("alpha", 1.0)',
    )
    return text.replace("ColumnTransformer\n\n", "ColumnTransformer\n")


def _strings(plan: Plan) -> list[TableColumn]:
    return [column for column in plan.features if column.kind == "string"]


def _numbers(plan: Plan) -> list[TableColumn]:
    return [column for column in plan.features if column.kind != "string"]


@dataclass(frozen=True)
class _Steps:
    """How the columns reach the model, by what they hold."""

    few: list[TableColumn]  # few texts
    many: list[TableColumn]  # many texts
    numbers: list[TableColumn]

    def lists(self) -> str:
        lists = {"STRINGS": self.few, "CODES": self.many, "NUMBERS": self.numbers}
        return "\n".join(_list(word, found) for word, found in lists.items() if found)

    def lines(self, numbers: str) -> str:
        unknown = 'handle_unknown="use_encoded_value", unknown_value=-1'
        steps = (
            ("strings", _ONE_HOT, "STRINGS", self.few),
            ("codes", f"OrdinalEncoder({unknown})", "CODES", self.many),
            ("numbers", numbers, "NUMBERS", self.numbers),
        )
        return "\n".join(_step(*step) for *step, columns in steps if columns)


def _list(word: str, columns: list[TableColumn]) -> str:
    names = ", ".join(f'"{column.name}"' for column in columns)
    if len(names) < 80:
        return f"{word} = [{names}]"
    return f"{word} = [\n" + textwrap.indent(textwrap.fill(f"{names},", 92), "    ") + "\n]"


def _step(name: str, estimator: str, columns: str) -> str:
    line = f'("{name}", {estimator}, {columns}),'
    if len(line) > 88:
        line = f'(\n    "{name}",\n    {estimator},\n    {columns},\n),'
    return textwrap.indent(line, " " * 12)
