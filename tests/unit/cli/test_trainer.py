"""How a training gives up the trainer's token."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from pydantic import SecretStr

from mlplatform.cli import trainer

THREADS = """
import atexit, pathlib, sys
from mlplatform.cli import main

def threads():
    import numpy  # its library for matrices starts threads, where there is more than one core
    for task in pathlib.Path("/proc/self/task").iterdir():
        lines = (task / "status").read_text().splitlines()
        (blocked,) = (line.split()[1] for line in lines if line.startswith("SigBlk"))
        print("put off" if int(blocked, 16) >> 14 & 1 else "taken", file=sys.stderr)

atexit.register(threads)
sys.argv[1:] = ["trainer", "--help"]
main.run()
"""


@pytest.mark.parametrize("given", ["MLPLATFORM_DATAAPI__TOKEN", "mlplatform_dataapi__token"])
def test_the_process_begins_anew_with_the_token_of_its_run(
    monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    """Same interpreter and words; of the environment only the token changes, however spelled."""
    calls: list[Any] = []
    monkeypatch.setattr(os, "execve", lambda *words: calls.append(words))
    monkeypatch.setenv(given, "the trainer's")
    monkeypatch.setenv("ELSE", "kept")
    trainer._begin_anew(SecretStr("the run's"), without=[given])
    program, words, environment = calls[0]

    assert (sys.executable, [sys.executable, *sys.orig_argv[1:]]) == (program, words)
    assert ("the run's", "kept") == (environment["MLPLATFORM_DATAAPI__TOKEN"], environment["ELSE"])
    assert "the trainer's" not in environment.values()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_every_thread_of_a_training_puts_sigterm_off() -> None:
    """Until the lease is held: one that took it in the moment of the exec would lose it."""
    ended = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, check=True)

    assert {"put off"} == set(ended.stderr.decode().splitlines())
