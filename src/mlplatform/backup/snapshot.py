"""A snapshot on disk: a folder with an index of every file's SHA-256.

    registry-20260102T030405Z/
      index.json          what is in it, from when, and the SHA-256 of every other file
      index.sha256        the SHA-256 of index.json
      mlflow/<table>.copy     MLflow's database
      control/<table>.copy    versions, promotion record, receipts
      artifacts/<experiment>/<run>/artifacts/…

It is written under a name that begins with a dot, synced, and renamed: a folder of the right name
is complete.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from mlplatform.contracts.frozen import Frozen
from mlplatform.durable import sync
from mlplatform.errors import IntegrityFailure, UnknownName
from mlplatform.registry.manifest import hash_file

INDEX, SEAL = "index.json", "index.sha256"
_NAME = re.compile(r"^registry-\d{8}T\d{6}Z$")


class StoredFile(Frozen):
    """One file of a snapshot."""

    path: str
    size: int
    sha256: str


class StoredTable(Frozen):
    """One dumped table."""

    name: str
    columns: tuple[str, ...]
    rows: int


class KnownVersion(Frozen):
    """One version of the promotion record."""

    pipeline: str
    version: str
    state: str
    run_id: str
    artifacts: str
    manifest_sha256: str

    @property
    def name(self) -> str:
        """For people, and for `Index.harmed`."""
        return f"{self.pipeline} version {self.version}"


class Index(Frozen):
    """index.json."""

    format: int = 1
    created_at: datetime
    mlflow_revision: str
    mlflow: tuple[StoredTable, ...]
    control: tuple[StoredTable, ...]
    versions: tuple[KnownVersion, ...]
    skipped: tuple[str, ...] = ()  # artifact folders that MLflow does not serve itself
    # Versions whose files did not match their manifest when the snapshot was made.
    damaged: tuple[str, ...] = ()
    files: tuple[StoredFile, ...]

    @property
    def harmed(self) -> frozenset[str]:
        """Names of the damaged versions, without the reasons."""
        return frozenset(line.partition(": ")[0] for line in self.damaged)

    @property
    def good(self) -> frozenset[str]:
        """Names of the versions whose files are in this snapshot as their manifests say."""
        return frozenset(version.name for version in self.versions) - self.harmed


def name_of(moment: datetime) -> str:
    """Folder name of a snapshot made at that moment."""
    return moment.astimezone(UTC).strftime("registry-%Y%m%dT%H%M%SZ")


def existing(folder: Path) -> list[Path]:
    """Complete snapshots, oldest first."""
    return sorted(
        path for path in folder.glob("registry-*") if path.is_dir() and _NAME.match(path.name)
    )


def find(folder: Path, name: str | None) -> Path:
    """The snapshot of that name, or the newest one. Raises UnknownName."""
    known = existing(folder)
    if name is None and known:
        return known[-1]
    for path in known:
        if path.name == name:
            return path
    raise UnknownName(
        f"no snapshot {name or ''} in {folder}".replace("  ", " "),
        fix=f"there are {', '.join(path.name for path in known) or 'none'}",
    )


def files(folder: Path) -> tuple[StoredFile, ...]:
    """Every file of a snapshot but index and seal, with its SHA-256."""
    return tuple(
        StoredFile(path=relative, size=path.stat().st_size, sha256=hash_file(path))
        for relative, path in _walk(folder)
    )


def seal(folder: Path, index: Index) -> None:
    """Write index and seal, and bring everything to the disk."""
    data = index.model_dump_json(indent=1).encode()
    (folder / INDEX).write_bytes(data)
    (folder / SEAL).write_text(hashlib.sha256(data).hexdigest() + "\n")
    for path in sorted(folder.rglob("*"), reverse=True):
        sync(path)
    sync(folder)


def read(folder: Path) -> Index:
    """The index, after comparison with its seal. Raises IntegrityFailure."""
    try:
        data = (folder / INDEX).read_bytes()
        sealed = (folder / SEAL).read_text().strip()
    except OSError as error:
        raise IntegrityFailure(f"{folder.name} is not a complete snapshot: {error}") from error
    if hashlib.sha256(data).hexdigest() != sealed:
        raise IntegrityFailure(f"{folder.name}: {INDEX} is not what {SEAL} says", field=INDEX)
    try:
        return Index.model_validate_json(data)
    except ValidationError as error:
        raise IntegrityFailure(
            f"{folder.name}: {INDEX} can't be read: {error.errors()[0]['msg']}", field=INDEX
        ) from error


def _walk(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder).as_posix()
        if path.is_file() and relative not in (INDEX, SEAL):
            yield relative, path
