"""The platform that a command is about. See `mlplatform.local.connection`."""

from __future__ import annotations

from pathlib import Path

from mlplatform.local.connection import Platform, find

__all__ = ["Platform", "connect"]


def connect(home: Path | None = None) -> Platform:
    """The platform that the command is about.

    Raises Refused when there is none, Unavailable when the local one is down.
    """
    return find(home, field="--home")
