"""Which snapshots stay, and how the others go."""

from __future__ import annotations

import shutil
from pathlib import Path

from mlplatform.backup import snapshot
from mlplatform.errors import IntegrityFailure
from mlplatform.telemetry import logger

PART = ".part"
_log = logger("backup")


def prune(folder: Path, keep: int) -> None:
    """Remove old snapshots.

    The newest `keep` stay, and those that hold the newest good copy of a version that has been
    damaged since.
    """
    known = snapshot.existing(folder)
    kept = set(known[-keep:]) | _last_good(known)
    for old in known:
        if old not in kept:
            # A removal that is cut short leaves no half of a snapshot under its name.
            part = old.rename(part_of(old))
            shutil.rmtree(part)
            _log.info("old snapshot removed", snapshot=old.name)


def sweep(folder: Path) -> None:
    """Remove what killed runs left, of making or of removing a snapshot.

    Nobody else may be making one.
    """
    for part in folder.glob(f".registry-*{PART}"):
        shutil.rmtree(part)
        _log.info("remains of a killed run removed", folder=part.name)


def part_of(path: Path) -> Path:
    """Under which name a snapshot is made and removed."""
    return path.with_name(f".{path.name}{PART}")


def _last_good(known: list[Path]) -> set[Path]:
    """For every version of the newest snapshot, the newest one in which its files were good."""
    kept: set[Path] = set()
    wanted: frozenset[str] | None = None
    for path in reversed(known):
        try:
            index = snapshot.read(path)
        except IntegrityFailure:  # not a good copy of anything
            continue
        wanted = frozenset(version.name for version in index.versions) if wanted is None else wanted
        if found := wanted & index.good:
            kept.add(path)
            wanted -= found
        if not wanted:
            break
    return kept
