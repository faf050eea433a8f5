"""The command lines of processes that run as another user, and whether they can run at all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import mlplatform
from mlplatform.unprivileged import expose, launch, users

_PROBE = """
import os, sys
import mlplatform, pydantic
for path in sys.argv[1:]:
    if not os.access(path, os.R_OK | os.X_OK if os.path.isdir(path) else os.R_OK):
        sys.exit(f"no right to read {path}")
"""


def through(
    argv: Sequence[str], *, stop_signal: int, uid: int | None = None, paths: Iterable[Path] = ()
) -> tuple[str, ...]:
    """The command line that starts `argv` as a child of this process, as user `uid` if any.

    That user can reach our interpreter, our code and `paths`, wherever they lie. The child gets
    `stop_signal` when the thread that starts it ends, where the kernel can do that (Linux).
    """
    last = launch.through(argv, stop_signal=stop_signal, uid=uid)
    if uid is None or not sys.platform.startswith("linux"):
        return last
    words = [str(path) for each in (*interpreter(), *paths) for path in (each, each.resolve())]
    return (sys.executable, "-I", "-S", expose.__file__, str(uid), *words, "--", *last)


def interpreter() -> tuple[Path, ...]:
    """The folders that a process of our program needs."""
    program = Path(sys.executable).resolve().parents[1]
    code = Path(mlplatform.__file__).parent
    return (Path(sys.prefix), Path(sys.base_prefix), program, code)


@cache
def hindrance(*paths: Path) -> str:
    """Why root can't have another user run our program and read `paths`; empty when it can.

    Empty too when we aren't root. A container without the right to mount or to change users is such
    a reason, or files that only root may read. Tried once for the same paths: half a second.
    """
    uid = users.fresh()
    if uid is None:
        return ""
    done = subprocess.run(
        through(
            (sys.executable, "-c", _PROBE, *map(str, paths)), stop_signal=9, uid=uid, paths=paths
        ),
        cwd="/",
        env={"PATH": os.defpath},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stderr.strip().splitlines()
    return "" if done.returncode == 0 else lines[-1] if lines else f"exit code {done.returncode}"
