"""Lines are at most 100 columns wide, in code and documents."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WIDTH = 100
GENERATED = (
    "charts/mlplatform/README.md",
    "charts/mlplatform/files/",
    "charts/mlplatform/values.schema.json",
    "requirements/",
    "src/mlplatform/database/migrations/",
)
"""Made by tools, or never edited again."""
UNBREAKABLE = {
    "pyproject.toml": r'  "mlplatform\..* \| ',  # a layer of import-linter is one string
}
"""Lines that can't be shorter, by file."""


def too_wide(path: str, text: str) -> list[str]:
    """Places (path:line) of each line that is too wide and has no reason to be."""
    found, pasted = [], False
    for number, line in enumerate(text.splitlines(), 1):
        if path.endswith(".md"):
            pasted ^= line.startswith("```")
            alone = re.fullmatch(r"[\W\d]*(\S+|`[^`]*`)\W*", line)  # a link or a command
            if pasted or alone or line.startswith(("|", "    ")):
                continue
        if len(line) > WIDTH and not re.match(UNBREAKABLE.get(path, "$^"), line):
            found.append(f"{path}:{number}")
    return found


def _texts() -> dict[str, str]:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {
        path: (ROOT / path).read_text()
        for path in listed.stdout.splitlines()
        if not path.startswith(GENERATED) and path.endswith((".md", ".py", ".sql", ".toml", ".sh"))
    }


def test_lines_are_not_too_wide() -> None:
    """Two files fit side by side on a screen."""
    found = [place for path, text in _texts().items() for place in too_wide(path, text)]

    assert [] == found


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.py", "x" * 101),
        ("a.md", "word " * 21),
        ("a.md", "```\ncommand\n```\n" + "word " * 21),
        ("pyproject.toml", '  "' + "x" * 99 + '"'),
    ],
)
def test_a_wide_line_is_found(path: str, text: str) -> None:
    """Code and prose are measured."""
    assert [f"{path}:{len(text.splitlines())}"] == too_wide(path, text)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.py", "x" * 100),
        ("a.md", "| " + "cell " * 30 + "|"),
        ("a.md", "```\n" + "command " * 20 + "\n```"),
        ("a.md", "1. `" + "command " * 20 + "`."),
        ("a.md", "[`" + "a/" * 60 + "`](" + "b/" * 20 + ")."),
        ("pyproject.toml", '  "' + "mlplatform.x | " * 10 + '",'),
    ],
)
def test_what_may_be_wide(path: str, text: str) -> None:
    """Tables, commands to paste, links, and what a format demands on one line."""
    assert [] == too_wide(path, text)
