"""`python -m mlplatform` is the command `mlplatform`."""

from __future__ import annotations

from mlplatform.cli.main import run

if __name__ == "__main__":
    run()
