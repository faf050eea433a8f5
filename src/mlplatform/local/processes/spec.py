"""What the supervisor needs to know about a child process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class ProcessSpec:
    """One child process.

    `ready` is called about ten times a second until it returns True or `ready_timeout_s` has
    passed. It may block for a moment, and must not raise for a server that is merely not up yet.
    `needs` names processes that must be ready first; they stop after this one.

    `health` is called every two seconds from then on, and may block for five. A process for which
    it is False for `silent_s` is killed, and starts again. None: nobody looks.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)  # all of it: nothing is inherited
    folder: Path | None = None  # working directory
    needs: tuple[str, ...] = ()
    ready: Callable[[], bool] | None = None  # None: ready as soon as it runs
    ready_timeout_s: float = 60.0
    health: Callable[[], bool] | None = None
    # The watchdogs of our own processes end a loop that hangs earlier, and write down where.
    silent_s: float = 60.0
    uid: int | None = None  # run as this user (PostgreSQL refuses root)
    paths: tuple[Path, ...] = ()  # which that user must reach, beside our own program
    stop_signal: int = 15
    stop_timeout_s: float = 30.0  # then SIGKILL
    restart: bool = True
