"""The gates that `new` writes: bounds that have a reason in what the quick model reached."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.draft.make import draft, write
from mlplatform.draft.plan import Choice
from mlplatform.source.pipeline_files import read


def _written(rows: int, noise: float, folder: Path) -> PipelineDefinition:
    """The files for a table whose three classes follow from two numbers, up to noise."""
    draw = np.random.default_rng(5)
    kind = np.arange(rows) % 3
    numbers = {name: kind + draw.normal(0, noise, rows) for name in ("a", "b")}
    pd.DataFrame(numbers | {"kind": kind}).to_csv(folder / "t.csv", index=False)
    made = draft("kinds", folder / "t.csv", Choice(target="kind"), lambda *_: None)
    write(made, folder / "kinds")
    return read(folder / "kinds").definition


def test_a_version_may_differ_from_the_champion_by_chance(tmp_path: Path) -> None:
    """Parts of a small table differ more than those of a large one, and so may versions."""
    (tmp_path / "small").mkdir()
    (tmp_path / "large").mkdir()
    small = _written(90, 0.5, tmp_path / "small").gates[1]
    large = _written(6_000, 0.5, tmp_path / "large").gates[1]

    assert "champion" == small.against
    assert 0.02 == large.tolerance
    assert small.tolerance > 0.02
    assert small.tolerance <= 0.1
