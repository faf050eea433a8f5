"""Bring a snapshot back into MLflow, and the promotion record where it is lost too.

MLflow must have been started once on the (empty) database, in the version that made the snapshot:
it makes the tables. Files first, each compared with the index after upload; then the rows, in one
transaction, so that no version ever points at a file that is not there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlplatform.backup.create import Sources
from mlplatform.backup.snapshot import Index, KnownVersion, StoredTable
from mlplatform.backup.verify import verify
from mlplatform.database.registry_dump import TableDump, Version
from mlplatform.errors import IntegrityFailure, Refused
from mlplatform.telemetry import logger

_ARTIFACTS = "artifacts/"
_log = logger("backup")


@dataclass(frozen=True)
class Restored:
    """What a restore did."""

    snapshot: str
    files: int
    versions: int
    control: bool  # the promotion record was restored too; False: the present one stayed
    # Versions of the present promotion record that the snapshot lacks: their files are gone.
    later: tuple[str, ...]


def restore(
    sources: Sources, folder: Path, *, force: bool = False, accept_damaged: bool = False
) -> Restored:
    """Verify the snapshot, then bring it back.

    Raises IntegrityFailure for a damaged snapshot, Refused when models were damaged before it was
    made, when MLflow holds runs or models, or the promotion record contradicts the snapshot.
    `force` replaces what is there; `accept_damaged` takes the good models.
    """
    index = verify(folder)
    if not accept_damaged:
        _refuse_damaged(folder, index)
    sources.store.ping()
    if not force:
        _refuse_occupied(sources)
    with_control, later = _control(sources, index, force=force)
    highest = _highest(index.versions if with_control else sources.control.versions())
    mlflow = _dumps(index.mlflow)
    # Files, then rows, then the promotion record: each only names what is there already.
    files = _upload(sources, index, folder)
    sources.mlflow.restore_mlflow(folder / "mlflow", index.mlflow_revision, mlflow, highest=highest)
    if with_control:
        sources.control.restore_control(folder / "control", _dumps(index.control))
    done = Restored(folder.name, files, len(index.versions), with_control, later)
    _report(done)
    return done


def _report(done: Restored) -> None:
    if done.later:
        _log.error(
            "the promotion record knows versions that are newer than the snapshot",
            versions=list(done.later),
        )
    _log.info(
        "snapshot restored",
        snapshot=done.snapshot,
        files=done.files,
        versions=done.versions,
        control=done.control,
    )


def _refuse_damaged(folder: Path, index: Index) -> None:
    if index.damaged:
        raise Refused(
            f"{folder.name} holds damaged models: {'; '.join(index.damaged)}",
            field="accept_damaged",
            fix="restore an older snapshot, or take what is good with --accept-damaged",
        )


def _refuse_occupied(sources: Sources) -> None:
    if sources.mlflow.occupied():
        raise Refused(
            "MLflow holds runs or models",
            field="force",
            fix="restore into an empty one, or replace everything with --force",
        )


def _control(sources: Sources, index: Index, *, force: bool) -> tuple[bool, tuple[str, ...]]:
    """Whether to restore the promotion record, and what the snapshot lacks of the present one.

    An empty one is restored. One that agrees with the snapshot, and perhaps went on, is the better
    one and stays.
    """
    present = {(each.pipeline, each.version): each for each in sources.control.versions()}
    if force or not present:
        return True, ()
    known = {(each.pipeline, each.version): each for each in index.versions}
    contradicting = [
        each.name
        for key, each in known.items()
        if key not in present or present[key].manifest_sha256 != each.manifest_sha256
    ]
    if contradicting:
        raise Refused(
            f"the promotion record does not have, or has otherwise, {', '.join(contradicting)}",
            field="force",
            fix="is this the snapshot of another platform? --force replaces the record",
        )
    later = [f"{name} version {number}" for name, number in present if (name, number) not in known]
    return False, tuple(later)


def _highest(versions: Iterable[KnownVersion | Version]) -> dict[str, int]:
    """The last number of each pipeline."""
    found: dict[str, int] = {}
    for version in versions:
        found[version.pipeline] = max(int(version.version), found.get(version.pipeline, 0))
    return found


def _upload(sources: Sources, index: Index, folder: Path) -> int:
    count = 0
    with tempfile.TemporaryDirectory() as scratch:
        for file in index.files:
            if not file.path.startswith(_ARTIFACTS):
                continue
            path = file.path.removeprefix(_ARTIFACTS)
            sources.store.upload(path, folder / file.path)
            size, sha256 = sources.store.fetch(path, Path(scratch) / "file")
            if (size, sha256) != (file.size, file.sha256):
                raise IntegrityFailure(
                    f"{path} came back from MLflow with SHA-256 {sha256}, "
                    f"the snapshot says {file.sha256}",
                    field=path,
                )
            count += 1
    return count


def _dumps(tables: Sequence[StoredTable]) -> list[TableDump]:
    return [TableDump(table.name, table.columns, table.rows) for table in tables]
