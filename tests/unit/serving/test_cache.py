"""What is kept for a restart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlplatform.serving.cache import ModelCache

Scene = Mapping[str, Callable[..., Any]]


def test_the_last_version_is_remembered_and_old_ones_go(scene: Scene, tmp_path: Path) -> None:
    """The version before is kept for a rollback; older folders and stray files are removed."""
    cache = ModelCache(tmp_path)
    for number in ("1", "2", "3"):
        version = scene["version"](number)
        cache.model_folder(version).mkdir(parents=True)
        cache.remember(int(number), version)
    for record in (4, 5):  # two restarts
        (tmp_path / "ward" / ".half-a-download").mkdir()
        ModelCache(tmp_path).remember(record, scene["version"]("3"))

    found = cache.remembered("ward")
    assert found is not None
    assert (5, "3") == (found.record, found.version.version)
    assert {"champion.json", "2-" + "2" * 16, "3-" + "3" * 16} == {
        path.name for path in (tmp_path / "ward").iterdir()
    }


def test_after_a_rollback_the_version_that_was_left_is_kept(scene: Scene, tmp_path: Path) -> None:
    """Forward and back again: both folders stay, whichever serves."""
    cache = ModelCache(tmp_path)
    for record, number in enumerate(("1", "2", "1")):
        cache.model_folder(scene["version"](number)).mkdir(parents=True, exist_ok=True)
        cache.remember(record, scene["version"](number))

    assert {"1-" + "1" * 16, "2-" + "2" * 16} == {
        path.name for path in (tmp_path / "ward").glob("*-*")
    }


def test_a_note_that_cannot_be_read_is_no_note(tmp_path: Path) -> None:
    """A damaged file is logged, and the start goes on without it."""
    (tmp_path / "ward").mkdir()
    (tmp_path / "ward" / "champion.json").write_text("{")

    assert ModelCache(tmp_path).remembered("ward") is None


def test_features_code_is_kept_by_digest(tmp_path: Path) -> None:
    """What was stored comes back byte for byte, and only under its digest."""
    cache = ModelCache(tmp_path)
    cache.keep_features("ward", "a" * 64, b"code\r\n")

    assert (b"code\r\n", None) == (
        cache.features("ward", "a" * 64),
        cache.features("ward", "b" * 64),
    )
