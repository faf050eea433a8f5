"""Snapshot folders: names, seals, retention."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from mlplatform.backup import snapshot
from mlplatform.backup.snapshot import Index
from mlplatform.backup.verify import verify
from mlplatform.errors import IntegrityFailure, UnknownName

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def _made(folder: Path, name: str = "registry-20260102T030405Z") -> Path:
    place = folder / name
    (place / "mlflow").mkdir(parents=True)
    (place / "mlflow" / "runs.copy").write_text("a\tb\n")
    (place / "artifacts").mkdir()
    (place / "artifacts" / ".hidden name").write_text("x")
    snapshot.seal(place, Index(created_at=MOMENT, mlflow_revision="r", mlflow=(), control=(), versions=(), files=snapshot.files(place)))
    return place


def test_names_sort_by_time_in_any_zone() -> None:
    """The name is the moment in UTC, so that names sort as moments do."""
    later = (MOMENT + timedelta(hours=1)).astimezone(timezone(timedelta(hours=-11)))

    assert [snapshot.name_of(moment) for moment in (MOMENT, later)] == ["registry-20260102T030405Z", "registry-20260102T040405Z"]


def test_a_sealed_folder_is_proven_whole(tmp_path: Path) -> None:
    """Every file is in the index, whatever its name."""
    index = verify(_made(tmp_path))

    assert [file.path for file in index.files] == ["artifacts/.hidden name", "mlflow/runs.copy"]


@pytest.mark.parametrize("name", ["index.json", "index.sha256"])
def test_without_index_or_seal_it_is_none(tmp_path: Path, name: str) -> None:
    """A folder without index or seal is no complete snapshot."""
    place = _made(tmp_path)
    (place / name).unlink()

    with pytest.raises(IntegrityFailure, match="no complete snapshot"):
        verify(place)


def test_the_newest_is_found_and_parts_are_not(tmp_path: Path) -> None:
    """Without a name the newest complete one is taken; unfinished and foreign folders don't count."""
    for name in ("registry-20260102T030405Z", "registry-20260103T030405Z"):
        _made(tmp_path, name)
    (tmp_path / ".registry-20260104T030405Z.part").mkdir()
    (tmp_path / "registry-of-mine").mkdir()

    assert snapshot.find(tmp_path, None).name == "registry-20260103T030405Z"
    assert len(snapshot.existing(tmp_path)) == 2
    with pytest.raises(UnknownName, match="registry-1"):
        snapshot.find(tmp_path, "registry-1")
