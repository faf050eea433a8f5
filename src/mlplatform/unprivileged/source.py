"""What a training has to read of a git repository on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from mlplatform.settings import SourceSettings, variable


def readable(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """The paths of the repository and of the checkouts that this environment's settings name.

    Of a folder with a repository only git's own files and the pipelines' folder: whatever else lies
    beside them is nobody's business.
    """
    fields = SourceSettings.model_fields
    found = {name: environment.get(variable("source", name), "") for name in fields}
    paths = [Path(found["cache"])] if found["cache"] else []
    url = found["url"].removeprefix("file://")
    if url and "://" not in url:
        folder = Path(url).expanduser()
        paths += _repository(folder)
        paths.append(folder / (found["folder"] or str(fields["folder"].default)))
    return tuple(path for path in paths if path.exists())


def _repository(folder: Path) -> Iterator[Path]:
    git = folder / ".git"
    if not git.exists():
        if (folder / "objects").is_dir():
            yield folder  # without a working tree
        return
    yield git
    if git.is_file():  # a working tree beside the one that holds the objects
        own = folder / git.read_text().removeprefix("gitdir:").strip()
        yield own
        common = own / "commondir"
        if common.is_file():
            yield (own / common.read_text().strip()).resolve()
