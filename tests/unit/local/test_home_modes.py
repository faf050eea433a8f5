"""Who may open what in a home."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from mlplatform.errors import SettingsError
from mlplatform.local import home_modes
from mlplatform.queue.sqlite import QueueFile


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_home_is_closed_but_for_the_checkouts(tmp_path: Path) -> None:
    """Folders and files with requests or secrets are the owner's; others' files are left alone."""
    (tmp_path / "outbox").mkdir(mode=0o755)
    (tmp_path / "mine.sh").touch(mode=0o755)
    for name in ("queue.sqlite", "queue.sqlite-wal", "state.json"):
        (tmp_path / name).touch(mode=0o644)
    home_modes.close(tmp_path)

    private = ("secrets", "outbox", "checkpoints", "logs", "backups", "kafka", "cache/serving")
    assert {0o700} == {_mode(tmp_path / name) for name in private}
    assert {0o755} == {_mode(tmp_path / name) for name in ("cache", "cache/source", "mine.sh")}
    assert {0o600} == {
        _mode(tmp_path / name) for name in ("queue.sqlite", "queue.sqlite-wal", "state.json")
    }


def test_git_does_not_see_a_home(tmp_path: Path) -> None:
    """`git add .` in a project takes no token with it; a folder of another name is not hidden."""
    home = tmp_path / ".mlplatform"
    for each in (home, home / "demo", tmp_path / "chosen"):
        home_modes.close(each)
        home_modes.close(each)

    assert ["*\n", "*\n"] == [(each / ".gitignore").read_text() for each in (home, home / "demo")]
    assert not (tmp_path / "chosen" / ".gitignore").exists()


def test_a_file_in_place_of_a_folder_is_named(tmp_path: Path) -> None:
    """Nothing starts on such a home, and the message says which one it is."""
    (tmp_path / "outbox").touch()
    with pytest.raises(SettingsError, match="outbox"):
        home_modes.close(tmp_path)


def test_a_new_queue_is_its_owners(tmp_path: Path) -> None:
    """The file with the requests, and SQLite's files beside it, are never readable by others."""
    file = QueueFile(tmp_path / "queue.sqlite")
    with file.writing() as connection:
        connection.execute("CREATE TABLE more (one)")
    modes = {_mode(path) for path in tmp_path.iterdir()}
    file.close()

    assert {0o600} == modes
