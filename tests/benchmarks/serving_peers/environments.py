"""A virtual environment per peer, made when it is first needed and kept until its file changes."""

from __future__ import annotations

import subprocess
import sys

from serving_peers.servers import HERE, ROOT, VENVS

_UV = ROOT / "build" / "uv" / "bin" / "uv"  # tools/install brings it; pip does where it is missing


def provide(name: str) -> None:
    """Make the environment `name` match its requirements. Raises CalledProcessError."""
    wanted = HERE / f"requirements-{name}.txt"
    home = VENVS / name
    python, stamp = home / "bin" / "python", home / "requirements.txt"
    if stamp.exists() and stamp.read_bytes() == wanted.read_bytes():
        return
    print(f"installing {name} …", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
    install = (
        [_UV, "pip", "install", "--quiet", "--python", python]
        if _UV.exists()
        else [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    )
    subprocess.run([*install, "--requirement", wanted], check=True)
    stamp.write_bytes(wanted.read_bytes())
