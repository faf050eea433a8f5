"""The file that has a git server try the pipelines of a repository with each push."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

GitServer = Literal["github", "gitlab"]
PLACES: dict[GitServer, str] = {
    "github": ".github/workflows/pipelines.yml",
    "gitlab": ".gitlab-ci.yml",
}


def text_of(server: GitServer) -> str:
    """The text of the file for that server."""
    return Path(__file__).with_name(f"{server}_ci.yml").read_text(encoding="utf-8")


def write_ci(server: GitServer, root: Path) -> Path | None:
    """Write it at its place below `root`; None when a file is there, which stays as it is."""
    place = root / PLACES[server]
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("x", encoding="utf-8") as file:
            file.write(text_of(server))
    except FileExistsError:
        return None
    return place
