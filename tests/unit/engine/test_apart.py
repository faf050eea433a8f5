"""A model file in a child process: what it answers, what it refuses, and how it is ended."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hostile_models
import numpy as np
import pytest
from children import children

from mlplatform.engine.apart import EngineApart
from mlplatform.engine.limits import TrialLimits
from mlplatform.engine.load import load
from mlplatform.errors import IntegrityFailure, RowRefused, UnfitModel

TOYS = hostile_models.regression()
LIMITS = TrialLimits(30.0, 256 << 20)
ROWS = {
    "size": np.array([1.0, 2.0]),
    "mass": np.array([1.0, np.nan]),
    "colour": np.array(["red", None], dtype=object),
}


def _hostile(folder: Path, data: bytes, *, time_s: float = 30.0) -> EngineApart:
    hostile_models.store(folder, data, TOYS, "onnx")
    return EngineApart(folder, trusted=(), limits=TrialLimits(time_s, LIMITS.memory_bytes))


@pytest.mark.parametrize("kind", ["onnx", "skops"])
def test_it_answers_what_the_file_answers_here(
    kind: str, toys: Any, stored: Callable[..., Any]
) -> None:
    """Labels and probabilities, whatever the number of rows."""
    folder, form = stored(toys.fitted(), kind)
    engine = EngineApart(folder, trusted=toys.trusted, limits=LIMITS)
    here = load(folder, form, trusted=toys.trusted)
    asked = toys.table(40_000)
    found = engine.predict(asked)

    assert toys.same(here.predict(asked), found)
    assert (40_000, 2) == found["probabilities"].shape


def test_a_row_that_is_refused_is_named_by_its_place(toys: Any, stored: Callable[..., Any]) -> None:
    """Behind the first call's rows too; the child goes on."""
    folder, _ = stored(toys.fitted(), "onnx")
    engine = EngineApart(folder, trusted=(), limits=LIMITS)
    asked = toys.table(40_000)
    asked["size"][39_000] = 1e39
    with pytest.raises(RowRefused, match="row 39000: feature size is 1e\\+39") as refusal:
        engine.predict(asked)

    assert 39_000 == refusal.value.row
    assert 5 == len(engine.predict(toys.table(5))["prediction"])


def test_a_loop_without_end_costs_its_time_once(tmp_path: Path) -> None:
    """Whoever asks again is told at once, and no child is left."""
    before = children(os.getpid())
    engine = _hostile(tmp_path, hostile_models.endless(), time_s=1.0)
    with pytest.raises(UnfitModel, match=r"took longer than 1 s for a call.*LOAD_S"):
        engine.predict(ROWS)
    with pytest.raises(UnfitModel, match="was ended before"):
        engine.predict(ROWS)

    assert set() == children(os.getpid()) - before


def test_a_file_that_takes_all_memory_is_refused(tmp_path: Path) -> None:
    """Eight gigabytes of ones end as an error of that file."""
    with pytest.raises(Exception, match=r"alloc|SIG|memory"):
        _hostile(tmp_path, hostile_models.greedy()).predict(ROWS)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    """As a load in this process would."""
    with pytest.raises(IntegrityFailure, match="ONNX Runtime can't load the model"):
        _hostile(tmp_path, b"nonsense")
