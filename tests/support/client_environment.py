"""A virtual environment for each program that serving is tried with, made once and kept.

They lie in `.venv-conformance`, and are made anew when their requirements or Python change. A
machine that can't reach a package index, and has none yet, skips their tests and says so.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".venv-conformance"
REQUIREMENTS = ROOT / "tests" / "conformance" / "requirements"
INSTALL_S = 600.0
_UV = ROOT / "build" / "uv" / "bin" / "uv"  # tools/install brings it; pip does where it is missing
_SMALL = "iniconfig"
"""A package of some kilobytes, to see whether there is an index at all."""


@cache
def client_python(name: str) -> Path:
    """The Python of the environment with `requirements/NAME.txt`. Skips the test without one."""
    home, wanted = HOME / name, REQUIREMENTS / f"{name}.txt"
    stamp = home / "made-of"
    digest = hashlib.sha256(sys.version.encode() + wanted.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        _make(home, wanted)
        stamp.write_text(digest)
    return home / "bin" / "python"


def _make(home: Path, wanted: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
    python = str(home / "bin" / "python")
    arguments = ["--quiet", "--requirement", str(wanted)]
    said = ""
    if _UV.exists():
        done = _run(str(_UV), "pip", "install", "--python", python, *arguments)
        if done.returncode == 0:
            return
        said = done.stderr
    if not index_answers():
        pytest.skip(
            f"NO PACKAGE INDEX, serving was NOT tried with {home.name}: its packages can't be "
            f"fetched ({wanted.relative_to(ROOT)})"
        )
    done = _run(python, "-m", "pip", "install", "--disable-pip-version-check", *arguments)
    assert 0 == done.returncode, f"{said}\n{done.stderr}"


@cache
def index_answers() -> bool:
    """Whether a small package can be fetched."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--quiet", "--no-cache-dir", "--no-deps", "--retries", "1", "--timeout", "10"]
        done = _run(sys.executable, "-m", "pip", "download", *options, "--dest", folder, _SMALL)
    return done.returncode == 0


def _run(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=INSTALL_S)
