"""Libraries don't report to their vendors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mlplatform import vendor_telemetry

ROOT = Path(__file__).parents[3]
PROGRAM = """
import os, sys
from mlplatform.cli import main
sys.argv = ["mlplatform", "--version"]
try:
    main.run()
finally:
    print(sorted(name for name in %r if os.environ.get(name)), file=sys.stderr)
"""


def test_the_command_line_silences_libraries_before_it_imports_them() -> None:
    """For every command the variables are set first; `--version` imports no such library."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM % (list(vendor_telemetry.OFF),)],
        capture_output=True,
        text=True,
        check=False,
        env={},
    )

    assert done.stderr == f"{sorted(vendor_telemetry.OFF)}\n"


def test_the_images_silence_libraries_too() -> None:
    """A person who starts another program in the image gets the same."""
    text = (ROOT / "Dockerfile").read_text()

    assert [] == [
        name for name, value in vendor_telemetry.OFF.items() if f"{name}={value}" not in text
    ]
