"""Snapshot folders: names, seals, retention."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from mlplatform.backup import snapshot
from mlplatform.backup.retention import prune, sweep
from mlplatform.backup.snapshot import Index, KnownVersion
from mlplatform.backup.verify import verify
from mlplatform.errors import IntegrityFailure, UnknownName

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def _made(folder: Path, name: str = "registry-20260102T030405Z") -> Path:
    place = folder / name
    (place / "mlflow").mkdir(parents=True)
    (place / "mlflow" / "runs.copy").write_text("a\tb\n")
    (place / "artifacts").mkdir()
    (place / "artifacts" / ".hidden name").write_text("x")
    snapshot.seal(
        place,
        Index(
            created_at=MOMENT,
            mlflow_revision="r",
            mlflow=(),
            control=(),
            versions=(),
            files=snapshot.files(place),
        ),
    )
    return place


def _dated(folder: Path, day: int, *, good: str = "", damaged: str = "") -> Path:
    """A snapshot of that day whose versions are named by single digits."""
    place = folder / f"registry-202601{day:02}T000000Z"
    place.mkdir()
    versions = tuple(
        KnownVersion(
            pipeline="shop",
            version=number,
            state="retired",
            run_id="r",
            artifacts="a",
            manifest_sha256="0" * 64,
        )
        for number in sorted(good + damaged)
    )
    lines = tuple(f"shop version {number}: model.onnx is missing" for number in damaged)
    snapshot.seal(
        place,
        Index(
            created_at=MOMENT,
            mlflow_revision="r",
            mlflow=(),
            control=(),
            versions=versions,
            damaged=lines,
            files=(),
        ),
    )
    return place


def _days(folder: Path) -> list[int]:
    return [int(path.name[15:17]) for path in snapshot.existing(folder)]


def test_damage_does_not_stop_the_removal_of_old_snapshots(tmp_path: Path) -> None:
    """All but the newest go, except the newest good one of each damaged version."""
    _dated(tmp_path, 1, good="1")
    _dated(tmp_path, 2, good="12")
    _dated(tmp_path, 3, good="2", damaged="1")
    for day in (4, 5, 6):
        _dated(tmp_path, day, good="3", damaged="12")
    prune(tmp_path, 2)

    assert [2, 3, 5, 6] == _days(tmp_path)
    assert 4 == len(list(tmp_path.iterdir()))


def test_a_snapshot_that_cannot_be_read_is_no_good_copy(tmp_path: Path) -> None:
    """The last good copy is searched in sound snapshots; a version without one keeps nothing."""
    for day in (1, 2):
        _dated(tmp_path, day, good="1")
    (tmp_path / "registry-20260102T000000Z" / "index.sha256").unlink()
    _dated(tmp_path, 3, damaged="17")
    prune(tmp_path, 1)

    assert [1, 3] == _days(tmp_path)


def test_what_killed_runs_left_goes_and_nothing_else(tmp_path: Path) -> None:
    """Half-made and half-removed snapshots are swept away, whole ones and foreign folders stay."""
    whole = _dated(tmp_path, 1)
    for name in (".registry-20260102T000000Z.part", ".mine.part"):
        (tmp_path / name / "artifacts").mkdir(parents=True)
    sweep(tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == [".mine.part", whole.name]


def test_names_sort_by_time_in_any_zone() -> None:
    """The name is the moment in UTC, so that names sort as moments do."""
    later = (MOMENT + timedelta(hours=1)).astimezone(timezone(timedelta(hours=-11)))

    assert [
        "registry-20260102T030405Z",
        "registry-20260102T040405Z",
    ] == [snapshot.name_of(moment) for moment in (MOMENT, later)]


def test_a_sealed_folder_is_proven_whole(tmp_path: Path) -> None:
    """Every file is in the index, whatever its name."""
    index = verify(_made(tmp_path))

    assert ["artifacts/.hidden name", "mlflow/runs.copy"] == [file.path for file in index.files]


@pytest.mark.parametrize("name", ["index.json", "index.sha256"])
def test_without_index_or_seal_it_is_none(tmp_path: Path, name: str) -> None:
    """A folder without index or seal is not a complete snapshot."""
    place = _made(tmp_path)
    (place / name).unlink()

    with pytest.raises(IntegrityFailure, match="not a complete snapshot"):
        verify(place)


def test_the_newest_is_found_and_parts_are_not(tmp_path: Path) -> None:
    """Without a name the newest complete one is taken; other folders don't count."""
    for name in ("registry-20260102T030405Z", "registry-20260103T030405Z"):
        _made(tmp_path, name)
    (tmp_path / ".registry-20260104T030405Z.part").mkdir()
    (tmp_path / "registry-of-mine").mkdir()

    assert "registry-20260103T030405Z" == snapshot.find(tmp_path, None).name
    assert 2 == len(snapshot.existing(tmp_path))
    with pytest.raises(UnknownName, match="registry-1"):
        snapshot.find(tmp_path, "registry-1")
