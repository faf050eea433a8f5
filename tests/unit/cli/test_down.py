"""`mlplatform down`: what it says of how the stack ended."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mlplatform.cli import down
from mlplatform.local.processes import guard
from mlplatform.local.state import State

STUBBORN = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); input()"
)
ORDERLY = "print(flush=True); input()"


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (ORDERLY, "stopped; the data stays in"),
        (STUBBORN, "killed, since it had not stopped after 1 s; requests"),
    ],
)
def test_a_kill_is_not_called_a_stop(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    program: str,
    said: str,
) -> None:
    """Whoever stops a stack that hangs reads that it was killed, and that not all is stored."""
    monkeypatch.setattr(down, "STOP_S", 1.0)
    with subprocess.Popen(
        [sys.executable, "-S", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        running.stdout.readline()  # it has set up its signals
        State(
            home=tmp_path,
            pid=running.pid,
            born=guard.born(running.pid),
            ports={},
            urls={},
            queue="sqlite:///q",
            source=".",
            working_tree=False,
        ).write()
        down.down(home=tmp_path)

        assert capsys.readouterr().out.startswith(said)
