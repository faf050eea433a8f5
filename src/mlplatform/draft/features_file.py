"""features.py of a first version, where one is needed."""

from __future__ import annotations

from string import Template

from mlplatform.draft.plan import Plan
from mlplatform.draft.rows import MISSING

_WORDED = """

def _worded(texts: NDArray[Any]) -> NDArray[Any]:
    return np.array(["$missing" if text is None else text for text in texts], dtype=object)
"""

_FILE = '''"""Features of a row, each on its own. What says more than a raw column belongs here."""

from __future__ import annotations

from typing import Any

${numpy}from numpy.typing import NDArray


def engineer(columns: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """$What"""
    return {
$lines
    }
$worded'''


def features_file(plan: Plan) -> str | None:
    """The text of features.py; None where the columns are good features as they are."""
    nulls = [each.name for each in plan.features if each.kind == "string" and each.nulls]
    if not nulls and not plan.left_out:
        return None
    lines = [_line(column.name, column.name in nulls) for column in plan.features]
    lines += [f"        # {name} {why}" for name, why in plan.left_out.items()]
    return Template(_FILE).substitute(
        What="Texts without nulls, the rest as it is."
        if nulls
        else "The columns that may say something.",
        numpy="import numpy as np\n" if nulls else "",
        lines="\n".join(lines),
        worded=Template(_WORDED).substitute(missing=MISSING) if nulls else "",
    )


def _line(name: str, worded: bool) -> str:
    value = f'_worded(columns["{name}"])' if worded else f'columns["{name}"]'
    return f'        "{name}": {value},'
