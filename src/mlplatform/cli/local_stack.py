"""The local stack that a command is about: the nearest `.mlplatform`, or what `--home` names."""

from __future__ import annotations

from pathlib import Path

from mlplatform.local import state
from mlplatform.local.state import State


def find(home: Path | None) -> State | None:
    """The local stack of this folder, running or not."""
    return state.find(home, Path.cwd())


def existing(home: Path | None, *, fix: str = "`mlplatform up` starts one") -> State:
    """The local stack of this folder. Raises Refused when there is none."""
    return state.existing(home, Path.cwd(), field="--home", fix=fix)


def require_running(stack: State) -> None:
    """Raises Unavailable unless the stack runs."""
    stack.require_running(field="--home")
