"""Migrations are one line: each has a number of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from mlplatform.database.migrate import FOLDER, head


@pytest.mark.parametrize("which", ["raw", "warehouse"])
def test_numbers_rise_by_one(which: Literal["raw", "warehouse"]) -> None:
    """No two migrations have one number, whoever added them, and the last is the head."""
    names = sorted(path.name for path in Path(FOLDER / which).glob("*.sql"))
    numbers = [int(name.split("_")[0]) for name in names]

    assert list(range(1, len(names) + 1)) == numbers
    assert f"{len(names):04}" == head(which)
