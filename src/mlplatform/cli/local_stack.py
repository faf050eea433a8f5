"""The local stack that a command is about: the nearest `.mlplatform`, or what `--home` names."""

from __future__ import annotations

from pathlib import Path

from mlplatform.errors import Refused
from mlplatform.local import state
from mlplatform.local.state import State


def find(home: Path | None) -> State | None:
    """The local stack of this folder, running or not."""
    return state.find(home, Path.cwd())


def existing(home: Path | None, *, fix: str = "`mlplatform up` starts one") -> State:
    """The local stack of this folder. Raises Refused when there is none."""
    found = find(home)
    if found is None:
        raise Refused("there is no local stack here", field="--home", fix=fix)
    return found


def require_running(stack: State) -> None:
    """Raises Refused unless the stack runs."""
    if not stack.running:
        raise Refused(
            f"the stack in {stack.home} is not running",
            field="--home",
            fix="start it with `mlplatform up`",
        )
