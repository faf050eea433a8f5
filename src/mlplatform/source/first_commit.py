"""The repository of somebody who has none yet: made, with the first files in its first commit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dulwich.errors import NotGitRepository
from dulwich.repo import Repo


def in_repository(folder: Path) -> bool:
    """Whether a folder that exists lies in a git repository, at any depth."""
    try:
        Repo.discover(folder).close()
    except NotGitRepository:
        return False
    return True


def first_commit(root: Path, paths: Sequence[Path], message: str) -> str:
    """Make a repository at `root` and commit these files and folders, and nothing else; the commit.

    The author is who git's configuration names, else this machine's user: without git's program
    nobody has to be named first.
    """
    found = [path for each in paths for path in (each, *each.rglob("*")) if path.is_file()]
    with Repo.init(root, default_branch=b"main") as made:
        tree = made.get_worktree()
        tree.stage([path.relative_to(root) for path in found])
        return tree.commit(message.encode(), no_verify=True, sign=False).decode()
