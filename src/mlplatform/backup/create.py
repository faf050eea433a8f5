"""Make a snapshot.

The order makes it whole without stopping anything: first the promotion record, then MLflow's
database, then the files. A version is in MLflow before the promotion record hears of it, and its
files are in place before MLflow does; neither changes afterwards. So whatever the record names is
in the later dump, and whatever that names is among the files. The other way round, a version that
is registered meanwhile would be without its files.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from mlplatform.backup import retention, snapshot
from mlplatform.backup.snapshot import Index, KnownVersion, StoredTable
from mlplatform.database.registry_dump import RegistryRows, TableDump, Version
from mlplatform.durable import sync
from mlplatform.errors import IntegrityFailure, Refused
from mlplatform.registry import manifest
from mlplatform.registry.store import ModelStore
from mlplatform.telemetry import gauge, histogram, logger

_log = logger("backup")


@dataclass(frozen=True)
class Sources:
    """What a snapshot is taken of."""

    mlflow: RegistryRows
    control: RegistryRows
    store: ModelStore


@dataclass(frozen=True)
class Made:
    """A new snapshot.

    `newly` names the versions that are damaged in it and were not in the one before.
    """

    path: Path
    index: Index
    newly: tuple[str, ...]


def create(
    sources: Sources, folder: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Made:
    """Write a snapshot into `folder`. Nothing appears under its final name before it is complete.

    A model whose files no longer match their manifest is listed as damaged; the snapshot is kept.
    Raises Refused while another run makes one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        retention.sweep(folder)
        before = _harmed_before(folder)
        path, index = _create(sources, folder, now())
    newly = tuple(line for line in index.damaged if line.partition(": ")[0] not in before)
    return Made(path, index, newly)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder itself as a lock; the kernel frees it when this process dies."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Refused(f"another run makes a snapshot in {folder}", fix="wait for it") from error
        yield
    finally:
        os.close(handle)


def _harmed_before(folder: Path) -> frozenset[str]:
    """The versions that the newest readable snapshot lists as damaged."""
    for path in reversed(snapshot.existing(folder)):
        try:
            return snapshot.read(path).harmed
        except IntegrityFailure:
            continue
    return frozenset()


def _create(sources: Sources, folder: Path, begun: datetime) -> tuple[Path, Index]:
    final = folder / snapshot.name_of(begun)
    if final.exists():
        raise IntegrityFailure(f"{final} is there already", fix="wait a second")
    part = retention.part_of(final)
    part.mkdir()
    try:
        with histogram("backup_seconds").time():
            index = _fill(sources, part, begun)
            snapshot.seal(part, index)
            part.rename(final)  # sealed and synced: from here on it counts as a snapshot
            sync(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    size = sum(file.size for file in index.files)
    gauge("backup_bytes").set(size)
    _log.info(
        "snapshot made",
        snapshot=final.name,
        bytes=size,
        versions=len(index.versions),
        damaged=list(index.damaged),
    )
    return final, index


def _fill(sources: Sources, part: Path, begun: datetime) -> Index:
    control, versions = sources.control.dump_control(part / "control")
    revision, mlflow, uris = sources.mlflow.dump_mlflow(part / "mlflow")
    served, skipped = _served(uris)
    for root in served:
        _fetch(sources.store, root, part / "artifacts")
    return Index(
        created_at=begun,
        mlflow_revision=revision,
        mlflow=_tables(mlflow),
        control=_tables(control),
        versions=tuple(KnownVersion(**asdict(version)) for version in versions),
        skipped=tuple(skipped),
        damaged=tuple(_damaged(part / "artifacts", versions)),
        files=snapshot.files(part),
    )


def _tables(dumps: Sequence[TableDump]) -> tuple[StoredTable, ...]:
    return tuple(
        StoredTable(name=dump.name, columns=dump.columns, rows=dump.rows) for dump in dumps
    )


def _served(uris: Sequence[str]) -> tuple[list[str], list[str]]:
    """Artifact folders behind MLflow's proxy, as paths, and those elsewhere.

    The latter only their owner can back up.
    """
    served = [
        urlsplit(uri).path.lstrip("/") for uri in uris if urlsplit(uri).scheme == "mlflow-artifacts"
    ]
    skipped = [uri for uri in uris if urlsplit(uri).scheme != "mlflow-artifacts"]
    for uri in skipped:
        _log.warning("artifacts left out: MLflow does not serve them", uri=uri)
    return served, skipped


def _fetch(store: ModelStore, root: str, to: Path) -> None:
    for relative in store.tree(root):
        if ".." in PurePosixPath(relative).parts:
            raise IntegrityFailure(f"MLflow lists the artifact path '{relative}'", field=relative)
        target = to / root / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        store.fetch(f"{root}/{relative}", target)


def _damaged(artifacts: Path, versions: Sequence[Version]) -> list[str]:
    """Versions whose model folder is not what their manifest says.

    A rejected version counts too: its files prove what was rejected.
    """
    found = []
    for version in versions:
        try:
            manifest.verify(artifacts / version.artifacts, version.manifest_sha256)
        except IntegrityFailure as error:
            _log.error(
                "a stored model is damaged",
                pipeline=version.pipeline,
                version=version.version,
                error=str(error),
            )
            found.append(f"{version.pipeline} version {version.version}: {error.message}")
    return found
