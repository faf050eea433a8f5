"""A scheduled snapshot waits a while for what it is made of."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from mlplatform.backup.main import PATIENCE_S, run
from mlplatform.errors import Unavailable
from mlplatform.settings import Backup, Postgres, Settings


class Clock:
    """Time that passes by sleeping only."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        """The time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.pauses.append(seconds)
        self.now += seconds


def test_a_database_that_is_away_is_asked_again_until_the_patience_ends(tmp_path: Path) -> None:
    """The first refusal does not end the run; after two minutes the last one does."""
    nowhere = SecretStr(f"host={tmp_path} dbname=mlflow user=nobody")  # a folder without a socket in it
    settings = Settings(backup=Backup(folder=tmp_path), postgres=Postgres(mlflow_dsn=nowhere, warehouse_dsn=nowhere))
    clock = Clock()

    with pytest.raises(Unavailable):
        run(settings, clock=clock, sleep=clock.sleep)
    assert len(clock.pauses) > 10
    assert PATIENCE_S - 5 < clock.now <= PATIENCE_S
