"""The page for people with data of their own: its commands, as they stand, in an empty folder."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(600)

PAGE = Path(__file__).parents[2] / "docs" / "start" / "your-own-data.md"
BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"\b[0-9a-f]{12}\b|[0-9a-f]{8}-[0-9a-f-]{27}|\d[\d.,]*")
UP = "mlplatform up"


class Reader:
    """Somebody in a fresh folder, with a shell and a second terminal."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self.up: subprocess.Popen[str] | None = None

    def follow(self, block: str, wait: Any) -> str:
        """Do what a block says; what is seen."""
        if block.strip() != UP:
            return self.shell(block)
        file = self.folder.with_suffix(".up")
        with file.open("w") as out:
            self.up = subprocess.Popen(UP.split(), stdout=out, **self._options())
        wait(lambda: "\nstop " in file.read_text() or self.up.poll(), timeout_s=180)
        return file.read_text()

    def shell(self, block: str) -> str:
        """Run a block with bash, which ends at the first command that fails."""
        argv = ["bash", "-euo", "pipefail", "-c", block]
        done = subprocess.run(
            argv, stdout=subprocess.PIPE, timeout=300, check=False, **self._options()
        )
        assert 0 == done.returncode, f"{block}\n{done.stdout}"
        return done.stdout

    def leave(self) -> None:
        """Ctrl-C in the second terminal."""
        if self.up is not None:
            self.up.send_signal(signal.SIGINT)
            self.up.wait(120)

    def _options(self) -> dict[str, Any]:
        return {
            "cwd": self.folder,
            "env": self.environment,
            "stdin": subprocess.DEVNULL,
            "stderr": subprocess.STDOUT,
            "text": True,
        }


@pytest.fixture
def reader(homes: Path) -> Iterator[Reader]:
    """A reader with this installation and no git configuration."""
    (homes / "page").mkdir()
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("MLPLATFORM_")
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    made = Reader(homes / "page", inherited | {"PATH": path, "HOME": str(homes)})
    yield made
    made.leave()


def test_the_page_works_as_it_stands(reader: Reader, wait: Any) -> None:
    """Every command of the page succeeds, and shows what the page says, up to numbers."""
    seen = ""
    for kind, block in BLOCK.findall(PAGE.read_text()):
        if kind == "sh":
            seen = reader.follow(block, wait)
            continue
        missing = set(_shapes(block)) - set(_shapes(seen))

        assert set() == missing, seen
    history = reader.shell("git status --short")

    assert "?? newer.csv\n?? unknown.csv\n?? wines.csv\n" == history


def test_it_takes_ten_commands() -> None:
    """From the table to the second version's answer."""
    blocks = [block for kind, block in BLOCK.findall(PAGE.read_text()) if kind == "sh"]
    commands = [line for block in blocks[1:] for line in block.splitlines()]

    assert 10 == len(commands)
    assert all(command.startswith("mlplatform ") for command in commands)


def _shapes(text: str) -> list[str]:
    """Lines without what differs from run to run: numbers, ids and widths."""
    return [" ".join(NUMBER.sub("#", line).split()) for line in text.splitlines() if line.strip()]
