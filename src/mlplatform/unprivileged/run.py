"""A process that runs a pipeline's own code: as a user with nothing but a folder of its own."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlplatform.unprivileged import command, users


@dataclass(frozen=True)
class ForeignRun:
    """How to start it, and its folder for files, which goes with `remove`."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path | None = None  # None: we aren't root, and it runs as ourselves

    def remove(self) -> None:
        """Delete its folder. The process must have ended."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


def prepare(
    argv: Sequence[str],
    environment: Mapping[str, str],
    *,
    stop_signal: int,
    paths: tuple[Path, ...] = (),
) -> ForeignRun:
    """A run of `argv` that can read `paths`, if their own permissions let anybody.

    Where root can't start one as another user, it is root's like any other process here: the
    trainer warns of that, and `command.hindrance` has the reason.
    """
    uid = None if command.hindrance(*paths) else users.fresh()
    if uid is None:
        return ForeignRun(command.through(argv, stop_signal=stop_signal), environment)
    folder = Path(tempfile.mkdtemp(prefix="mlplatform-training-"))
    os.chown(folder, uid, uid)
    reach = (*paths, folder)
    return ForeignRun(
        command.through(argv, stop_signal=stop_signal, uid=uid, paths=reach),
        {**environment, "HOME": str(folder), "TMPDIR": str(folder)},
        folder,
    )
