"""A time limit for code that runs in our own threads."""

from __future__ import annotations

import time

import numpy as np
import pytest

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.errors import FeaturesOverrun
from mlplatform.features import code
from mlplatform.features.limit import limited

LOOPS = b"""
import numpy as np
def engineer(c):
    while (c["income"] == 13.0).any():
        try:
            pass
        except Exception:
            pass
    return {"double": 2 * c["income"]}
"""
DEFINITION = PipelineDefinition.parse(
    {
        "name": "loans",
        "description": "Whether a loan will be paid back.",
        "task": "regression",
        "columns": [{"name": "income", "dtype": "float64", "min": 10, "max": 20}],
        "target": {"name": "paid", "dtype": "float64"},
        "tuning": {"metric": "r2"},
        "gates": [{"metric": "r2", "min": 0.5}],
    }
)


def test_features_that_loop_for_one_value_are_interrupted_and_go_on_for_others() -> None:
    """The error names file and limit; the next rows are answered as before."""
    features = code.load(DEFINITION, LOOPS, digest=None, limit_s=0.2)
    with pytest.raises(FeaturesOverrun) as caught:
        features.apply({"income": np.array([11.0, 13.0])})

    assert (
        "pipelines/loans/features.py took longer than 0.2 s for these rows" == caught.value.message
    )
    assert [22.0, 24.0] == features.apply({"income": np.array([11.0, 12.0])})["double"].tolist()


def test_a_file_that_loops_when_it_is_read_is_refused() -> None:
    """Its own lines have the same limit as its function."""
    with pytest.raises(FeaturesOverrun) as caught:
        code.load(DEFINITION, b"while True:\n    pass\n", digest=None, limit_s=0.2)

    assert "took longer than 0.2 s" in caught.value.message


def test_an_interrupt_that_was_swallowed_still_refuses_the_rows() -> None:
    """Code that catches everything gets no answer through, and nothing strikes later."""

    def stubborn() -> int:
        try:
            while True:
                pass
        except BaseException:  # noqa: BLE001  (the case)
            return 1

    with pytest.raises(FeaturesOverrun):
        limited(stubborn, seconds=0.1, what="it")()
    quiet = limited(lambda: 2, seconds=0.1, what="it")
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        quiet()

    assert 2 == quiet()
