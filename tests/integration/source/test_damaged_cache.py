"""Whatever a disk does to the cache of pipelines, they are read right, or the fault is named."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from git_server import GitServer

from mlplatform.errors import PlatformError
from mlplatform.settings import SourceSettings
from mlplatform.source.checkout import checkout

# What dulwich has open when a damaged file ends its work is left to the garbage collector.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"
)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "something").touch()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "garbage": lambda path: path.write_bytes(b"\xff\x00\x80garbage\n" * 9),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "gone": lambda path: path.unlink(),
    "a folder": _folder,
}


def _files(folder: Path) -> list[Path]:
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def _damaged(whole: Path, name: Path, damage: str, place: Path) -> None:
    """Let `place` hold what `whole` holds, with one file damaged."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(whole, place)
    path = place / name
    path.chmod(0o644)
    DAMAGES[damage](path)


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_file_of_the_cache_is_made_anew(git: GitServer, tmp_path: Path, damage: str) -> None:
    """Clone and files of the commit, each file in turn; only the lock must be opened."""
    commit = git.commit("one\n" * 100)
    found = checkout(git.settings(tmp_path / "whole"))
    right = (found.folder / "loans" / "model.py").read_bytes()
    wrong, tried = [], _files(tmp_path / "whole")
    for name in tried:
        _damaged(tmp_path / "whole", name, damage, tmp_path / "cache")
        try:
            again = checkout(git.settings(tmp_path / "cache"))
            same = (again.folder / "loans" / "model.py").read_bytes() == right
            wrong += [] if (again.commit, same) == (commit, True) else [str(name)]
        except PlatformError as error:
            wrong += [] if str(name) in str(error) and error.fix else [f"{name}: {error}"]

    gc.collect()

    assert [] == wrong
    assert {"HEAD", "config", "model.py", "pipeline.yaml", "repository.lock"} <= {
        name.name for name in tried
    }


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_repository_at_a_path_is_named(
    git: GitServer, tmp_path: Path, damage: str
) -> None:
    """It is not ours to mend: the pipelines are read right, or the error names the repository."""
    git.commit("one\n" * 100)
    whole = git.folder
    right = (whole / "pipelines" / "loans" / "model.py").read_bytes()
    wrong = []
    for name in _files(whole / ".git"):
        _damaged(whole, Path(".git") / name, damage, tmp_path / "damaged")
        settings = SourceSettings(url=str(tmp_path / "damaged"), cache=tmp_path / "cache")
        try:
            found = checkout(settings)
            if (found.folder / "loans" / "model.py").read_bytes() != right:
                wrong.append(str(name))
        except PlatformError as error:
            if str(tmp_path / "damaged") not in str(error):
                wrong.append(f"{name}: {error}")
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)

    gc.collect()

    assert [] == wrong
