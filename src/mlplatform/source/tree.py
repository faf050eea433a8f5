"""Files of a git tree, and how they become a folder."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from dulwich.objects import Blob, ObjectID, Tree
from dulwich.repo import Repo

from mlplatform.durable import sync
from mlplatform.errors import InvalidInput
from mlplatform.telemetry import logger

_log = logger("source")


def entries(repository: Repo, root: ObjectID, folder: str) -> dict[str, bytes]:
    """Path (relative to `folder`) -> content of every file below it.

    Raises InvalidInput when the commit has no such folder, KeyError when an object is missing.
    """
    try:
        tree = repository[root]
        assert isinstance(tree, Tree)
        mode, found = tree.lookup_path(repository.__getitem__, folder.encode())
    except (KeyError, NotADirectoryError) as error:
        if isinstance(error, KeyError) and _is_object(error.args[0]):
            raise
        raise InvalidInput(
            f"the commit has no folder {folder}/",
            field=folder,
            fix="pipelines live in pipelines/<model>/",
        ) from error
    if not stat.S_ISDIR(mode):
        raise InvalidInput(f"{folder} is a file, not a folder", field=folder)
    return dict(_walk(repository, found, ""))


def _is_object(key: object) -> bool:
    """Whether a KeyError is about an object by its hash, and not about a name in a folder."""
    return isinstance(key, bytes) and re.fullmatch(rb"[0-9a-f]{40}", key) is not None


def keep(files: Mapping[str, bytes], folder: Path) -> None:
    """Have a folder with exactly these files: what a disk damaged there is written anew."""
    if folder.exists() and not _holds(folder, files):
        discard(folder)
    publish(files, folder)


def discard(folder: Path) -> None:
    """Remove the damaged files of a commit."""
    _log.error("the files of a commit are damaged in the cache", folder=str(folder))
    aside = Path(tempfile.mkdtemp(prefix=".damaged-", dir=folder.parent))
    folder.rename(aside / folder.name)
    shutil.rmtree(aside, ignore_errors=True)


def _holds(folder: Path, files: Mapping[str, bytes]) -> bool:
    try:
        return all((folder / name).read_bytes() == data for name, data in files.items())
    except OSError:
        return False


def publish(files: Mapping[str, bytes], folder: Path) -> None:
    """Write the files and move them to `folder` at once: readers see all of them or none.

    Does nothing when they are there, or another process was faster. All is on disk before it gets
    its name, so that a power cut leaves no empty files.
    """
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
    try:
        for name, data in files.items():
            path = made / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        made.chmod(0o755)
        for path in (made, *made.rglob("*")):
            sync(path)
        made.rename(folder)
    except OSError:
        if not folder.exists():
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)  # gone already when the rename worked


def _walk(repository: Repo, tree: ObjectID, prefix: str) -> Iterator[tuple[str, bytes]]:
    content = repository[tree]
    assert isinstance(content, Tree)
    for name, mode, sha in content.items():
        path = prefix + _safe(name)
        if stat.S_ISDIR(mode):
            yield from _walk(repository, sha, path + "/")
        elif stat.S_ISREG(mode):
            blob = repository[sha]
            assert isinstance(blob, Blob)
            yield path, blob.as_raw_string()
        else:
            raise InvalidInput(
                f"{path} is a symbolic link or a submodule; only files are read", field=path
            )


def _safe(name: bytes) -> str:
    """A tree made by hand could name a file '..' and write outside the folder."""
    if (
        name in (b"", b".", b"..", b".git")
        or b"/" in name
        or os.sep.encode() in name
        or b"\0" in name
    ):
        raise InvalidInput(f"a file of the commit has the name {name!r}")
    return name.decode(errors="surrogateescape")
