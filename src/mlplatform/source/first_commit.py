"""The repository of somebody who has none yet: made, with the first files in its first commit."""

from __future__ import annotations

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


def first_commit(root: Path, folder: Path, message: str) -> str:
    """Make a repository at `root` and commit the files of `folder`, and nothing else; the commit.

    The author is who git's configuration names, else this machine's user: without git's program
    nobody has to be named first.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with Repo.init(root, default_branch=b"main") as made:
        tree = made.get_worktree()
        tree.stage([path.relative_to(root) for path in files])
        return tree.commit(message.encode(), no_verify=True, sign=False).decode()
