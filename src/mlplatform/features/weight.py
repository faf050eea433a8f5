"""How much a row counts in training: `weight` of a pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlplatform.contracts.columns import Column
from mlplatform.features.checks import check
from mlplatform.features.fault import Fault
from mlplatform.features.parse import to_columns


def weights(values: Sequence[Any], name: str) -> tuple[NDArray[np.float64], list[Fault]]:
    """One number from 0 on per value, NaN for none; and what is no such number."""
    column = Column(name=name, dtype="float64", nullable=True, min=0)
    columns, wrong = to_columns({name: list(values)}, [column])
    return columns[name], [*wrong, *check(columns, [column])]
