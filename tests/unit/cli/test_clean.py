from __future__ import annotations

from pathlib import Path

import pytest

from mlplatform.cli.stack import clean
from mlplatform.errors import Refused
from mlplatform.local import state


def test_clean_takes_all_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stack's folder goes, with a demo in it and with databases that lie elsewhere behind a link."""
    outside = tmp_path / "outside"
    (tmp_path / state.FOLDER / "demo" / "logs").mkdir(parents=True)
    (outside / "primary").mkdir(parents=True)
    (tmp_path / state.FOLDER / "demo" / "postgres").symlink_to(outside)
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    clean(yes=True)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["below"]


def test_clean_spares_what_runs(tmp_path: Path) -> None:
    """While a program runs the stack nothing of it is deleted."""
    (tmp_path / "file").touch()

    with state.hold(tmp_path), pytest.raises(Refused, match="is running"):
        clean(home=tmp_path, yes=True)
    assert (tmp_path / "file").exists()
