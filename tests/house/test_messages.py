"""The description of the gRPC messages is fresh."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mlplatform.serving.grpc.messages import DESCRIPTION

ROOT = Path(__file__).parents[2]
WRITE = "import pathlib, sys, messages; messages.write(pathlib.Path(sys.argv[1]))"


def test_the_description_of_messages_is_made_from_their_files(tmp_path: Path) -> None:
    """`make messages` would change nothing."""
    target = tmp_path / "messages.binpb"
    subprocess.run(
        [sys.executable, "-c", WRITE, target], cwd=ROOT / "tools", check=True, timeout=60
    )

    assert DESCRIPTION.read_bytes() == target.read_bytes()
