from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlplatform.contracts.exit_code import ExitCode, exit_code
from mlplatform.errors import Refused, SettingsError, Unavailable
from mlplatform.local import state
from mlplatform.local.processes import guard
from mlplatform.local.state import State


def described(home: Path, **more: object) -> State:
    """A state of this very program."""
    facts = (
        {
            "ports": {"serving": 1},
            "urls": {},
            "queue": "sqlite:///q",
            "source": ".",
            "working_tree": False,
        }
        | state.myself()
        | more
    )
    return State(home=home, **facts)  # type: ignore[arg-type]


def test_state_is_found_from_below(tmp_path: Path) -> None:
    """A command finds the stack of a folder above, or the one that --home names."""
    home = tmp_path / state.FOLDER
    below = tmp_path / "a" / "b"
    home.mkdir()
    below.mkdir(parents=True)
    made = described(home)
    made.write()

    assert state.find(None, below) == made
    assert state.find(home, Path("/")) == made
    assert state.find(None, Path("/")) is None


def test_running_means_this_very_program(tmp_path: Path) -> None:
    """A pid that now belongs to a later program does not count as the stack's."""
    assert described(tmp_path).running
    assert not described(tmp_path, born="1").running
    assert not described(tmp_path, pid=2**22 + 1).running


def test_a_stack_that_is_down_is_away(tmp_path: Path) -> None:
    """A training that is started then ends with the code of a platform that is away."""
    described(tmp_path).require_running(field="--home")
    with pytest.raises(Unavailable, match="is not running") as raised:
        described(tmp_path, born="1").require_running(field="--home")

    assert ExitCode.AWAY == exit_code(raised.value)


def test_damaged_state_is_named(tmp_path: Path) -> None:
    """A file that can't be read is an error with its path, not a missing stack."""
    (tmp_path / state.FILE).write_text("{")

    with pytest.raises(SettingsError, match=r"state\.json"):
        state.read(tmp_path)


def test_a_home_is_for_one_stack(tmp_path: Path) -> None:
    """While one program holds a folder, another is refused; afterwards it may."""
    with (
        state.hold(tmp_path),
        pytest.raises(Refused, match="mlplatform down"),
        state.hold(tmp_path),
    ):
        pass
    with state.hold(tmp_path):
        pass


def test_an_ended_program_does_not_run(tmp_path: Path) -> None:
    """A program that has ended counts as gone even while nobody has collected its exit code."""
    with subprocess.Popen(
        [sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE
    ) as program:
        made = described(tmp_path, pid=program.pid, born=guard.born(program.pid))
        before = made.running
        program.kill()
        os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie now

        assert (True, False) == (before, made.running)
