"""The project of this folder: where pipelines/ is."""

from __future__ import annotations

from pathlib import Path

from mlplatform.errors import Refused


def project(start: Path) -> Path:
    """The nearest folder, here or above, that has pipelines/. Raises Refused when there is none."""
    for folder in (start, *start.parents):
        if (folder / "pipelines").is_dir():
            return folder
    raise Refused(
        "there is no folder pipelines/ here or above",
        field="--source",
        fix="go to the project, or name its git repository",
    )
