"""A git server (tests/support/git_server.py)."""

from __future__ import annotations

from git_server import git

__all__ = ["git"]
