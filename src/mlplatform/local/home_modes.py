"""Who may open what in a home: everything is its owner's, but for what other users' processes need.

As root, trainings run as users of their own. They may read the checkouts of pipelines, and nothing
else of a home. The servers' data have owners and modes of their own.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from mlplatform.local import home_files, state

_FOLDERS = ("secrets", "outbox", "checkpoints", "logs", "backups", "kafka", "cache/serving")
_FILES = ("state.json", "lock", "queue.sqlite*")
_SHARED = ("cache", "cache/source")


def close(home: Path) -> None:
    """Set the modes of a home's folders and files; folders are made before anything writes there.

    Also of a home that an earlier version left open. What isn't ours is left alone: people may have
    named a folder that holds other things, too. Raises SettingsError for a folder that is none.
    """
    for name in (*_SHARED, *_FOLDERS):
        try:
            (home / name).mkdir(parents=True, exist_ok=True)
            (home / name).chmod(0o755 if name in _SHARED else 0o700)
        except OSError as error:
            fault = error.strerror or str(error)
            raise home_files.damaged(
                home / name, fault, fix="it must be a folder of ours"
            ) from error
    _hide_from_git(home)
    for pattern in _FILES:
        for path in home.glob(pattern):
            with suppress(FileNotFoundError):  # what a killed stack left may still be closing it
                path.chmod(0o600)


def _hide_from_git(home: Path) -> None:
    """`git add .` in a project must not put tokens, passwords and requests into its history.

    In a folder of another name, which somebody chose, there may be files to commit.
    """
    if state.FOLDER in (home.name, home.parent.name):
        with suppress(FileExistsError), (home / ".gitignore").open("x", encoding="utf-8") as file:
            file.write("*\n")
