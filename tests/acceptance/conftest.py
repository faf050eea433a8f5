"""One platform for all acceptance tests, used as a newcomer does: by the command line only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@dataclass
class Stack:
    """A home, and the `mlplatform up` that runs on it or not."""

    home: Path
    process: subprocess.Popen[str] | None = None
    summaries: list[dict[str, Any]] = field(default_factory=list)
    answered: dict[str, str] = field(
        default_factory=dict
    )  # versions that answered before it was stopped

    def up(self, *words: str) -> dict[str, Any]:
        """Start it and wait for its summary."""
        with (self.home.parent / f"{self.home.name}.err").open("w") as errors:
            argv = [
                sys.executable,
                "-m",
                "mlplatform",
                "up",
                "--home",
                str(self.home),
                "--json",
                *words,
            ]
            self.process = subprocess.Popen(
                argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment()
            )
        summary = _read_document(self.process, Path(errors.name))
        self.summaries.append(summary)
        return summary

    def cli(
        self, *words: str, ok: bool = True, home: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on this stack; without `home` one that is about no stack."""
        argv = [sys.executable, "-m", "mlplatform", *words]
        argv += ["--home", str(self.home)] if home else []
        done = subprocess.run(
            argv,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            env=environment(),
            timeout=200,
        )
        assert not ok or 0 == done.returncode, (
            f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        )
        return done

    def json(self, *words: str, ok: bool = True) -> Any:
        """Run a command and read its JSON."""
        return json.loads(self.cli(*words, "--json", ok=ok).stdout)

    def ensure_up(self) -> None:
        """Start it unless it runs."""
        if self.process is None or self.process.poll() is not None:
            self.up()

    def pids(self) -> dict[str, int]:
        """The processes that state.json lists as running."""
        state = json.loads((self.home / "state.json").read_text())
        return {
            name: process["pid"] for name, process in state["processes"].items() if process["pid"]
        }

    def end(self) -> None:
        """Stop whatever runs."""
        if self.process is not None:
            if self.process.poll() is None:
                self.answered = self.json("status", ok=False)["versions"]
                self.cli("down")
            self.process.communicate(timeout=120)
            self.process = None


def environment() -> dict[str, str]:
    """Ours, without settings of a platform that the person who runs the tests may use."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MLPLATFORM_")}


def until(holds: Callable[[], Any], *, timeout_s: float = 60.0) -> Any:
    """Poll until it gives something true, and give that."""
    deadline = time.monotonic() + timeout_s
    while not (found := holds()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.1)
    return found


class Processes:
    """The process table."""

    def below(self, pid: int) -> set[int]:
        """A process and all below it, whatever group or session they are in."""
        pairs = [(int(child), int(parent)) for child, parent in self._table("ppid")]
        found = {pid}
        while grown := {child for child, parent in pairs if parent in found} - found:
            found |= grown
        return found

    def alive(self, pids: set[int]) -> set[int]:
        """Those that still run; zombies don't."""
        return pids & {int(pid) for pid, state in self._table("stat") if not state.startswith("Z")}

    def _table(self, column: str) -> list[tuple[str, str]]:
        table = subprocess.run(
            ["ps", "-axo", f"pid=,{column}="], capture_output=True, text=True, check=True
        ).stdout
        return [(words[0], words[1]) for words in map(str.split, table.splitlines())]


def _read_document(process: subprocess.Popen[str], errors: Path) -> dict[str, Any]:
    """The JSON document that the process prints; it stays running."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if line == "}\n":
            return dict(json.loads("".join(lines)))
    raise AssertionError(f"`mlplatform up` ended with {process.wait()}:\n{errors.read_text()}")


@pytest.fixture(scope="session")
def homes() -> Iterator[Path]:
    """A folder for homes that a server's own user can reach."""
    with tempfile.TemporaryDirectory(prefix="mlplatform-acceptance-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="session")
def _stack(homes: Path) -> Iterator[Stack]:
    made = Stack(homes / "shared")
    try:
        made.up()
        yield made
    finally:
        made.end()


@pytest.fixture
def stack(_stack: Stack) -> Stack:
    """The shared platform, running, after the whole tour."""
    _stack.ensure_up()
    return _stack


@pytest.fixture
def stopped(_stack: Stack) -> Stack:
    """The shared platform after the whole tour, not running."""
    _stack.end()
    return _stack


@pytest.fixture(scope="session")
def make_stack() -> Callable[[Path], Stack]:
    """Another platform, on a home of its own."""
    return Stack


@pytest.fixture(scope="session")
def wait() -> Callable[..., Any]:
    """Poll until a function gives something true, and give that."""
    return until


@pytest.fixture(scope="session")
def processes() -> Processes:
    """Looks at the processes of this machine."""
    return Processes()
