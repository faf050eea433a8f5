"""The files as they lie, for work that is not committed yet.

Its commit is `working-tree:` and a hash of the content.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path, PurePath

from mlplatform.errors import InvalidInput, SettingsError
from mlplatform.settings import SourceSettings, variable
from mlplatform.source.remote import is_path, path_of

_COMMIT = re.compile(r"^working-tree:[0-9a-f]{12}$")
_IGNORED = frozenset({"__pycache__"})


def is_commit(ref: str) -> bool:
    """Whether a recorded commit is that of a working tree."""
    return bool(_COMMIT.match(ref))


def commit_of(files: Mapping[str, bytes]) -> str:
    """The name of this content."""
    content = hashlib.sha256()
    for path in sorted(files):
        content.update(f"{path}\0{len(files[path])}\0".encode(errors="surrogateescape"))
        content.update(files[path])
    return f"working-tree:{content.hexdigest()[:12]}"


def files(settings: SourceSettings) -> dict[str, bytes]:
    """Path -> content below the pipelines folder, without hidden files and Python's caches."""
    if not is_path(settings.url):
        raise SettingsError(
            "a working tree is a path, not a server",
            field=variable("source", "url"),
            fix="clone it, and give that path",
        )
    folder = path_of(settings) / settings.folder
    if not folder.is_dir():
        raise InvalidInput(
            f"{path_of(settings)} has no folder {settings.folder}/", field=settings.folder
        )
    return below(folder)


def below(folder: Path) -> dict[str, bytes]:
    """Path -> content of a folder's files, without hidden ones and Python's caches."""
    names = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(name): (folder / name).read_bytes() for name in names if counts(name)}


def counts(path: PurePath) -> bool:
    """Whether a file below the pipelines folder is part of a pipeline."""
    return not any(part.startswith(".") or part in _IGNORED for part in path.parts)
