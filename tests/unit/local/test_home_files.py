"""A damaged file of a local home is named, with the way out, whoever reads it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlplatform.errors import SettingsError
from mlplatform.local import secrets, state
from mlplatform.local.processes.supervisor import Supervisor
from mlplatform.local.tour.progress import Progress

ROLES = ("postgres", "mlplatform_etl")


def _processes(home: Path) -> None:
    with Supervisor(logs=home / "logs") as supervisor:
        supervisor.begin()


READERS: dict[str, Callable[[Path], object]] = {
    "state.json": state.read,
    "tour.json": Progress,
    "secrets/tokens.json": lambda home: secrets.tokens(home / "secrets"),
    "secrets/passwords.json": lambda home: secrets.ensure(home / "secrets", ROLES),
    "logs/processes.json": _processes,
}
DAMAGES: dict[str, bytes | None] = {
    "empty": b"",
    "garbage": b"\xff\x00\x80garbage",
    "half": b'{"pid": 12',
    "a number": b"17",
    "null": b"null",
    "a list of lists": b"[[1, 2]]",
    "another object": b'{"something": {"else": 1}}',
    "a list of objects": b'[{"pid": "one"}]',
    "a folder": None,
}


def _damage(path: Path, content: bytes | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", READERS)
def test_the_reader_names_the_file_and_the_way_out(tmp_path: Path, name: str, damage: str) -> None:
    """One line: which file, what is wrong with it, what to do."""
    path = tmp_path / name
    _damage(path, DAMAGES[damage])
    with pytest.raises(SettingsError) as caught:
        READERS[name](tmp_path)

    assert str(path) in caught.value.message
    assert "" != caught.value.fix
    assert 1 == len(str(caught.value).splitlines())


@pytest.mark.parametrize("name", ["tokens.json", "passwords.json"])
def test_secrets_without_any_known_name_are_not_made_anew(tmp_path: Path, name: str) -> None:
    """New passwords in place of lost ones would be refused by the databases a minute later."""
    secrets.ensure(tmp_path, ROLES)
    (tmp_path / name).write_text(json.dumps({}))
    with pytest.raises(SettingsError, match=name):
        secrets.ensure(tmp_path, ROLES)

    assert {} == json.loads((tmp_path / name).read_text())


def test_lost_passwords_are_not_made_anew(tmp_path: Path) -> None:
    """Passwords that are gone are named, tokens that are gone are made anew."""
    before = secrets.ensure(tmp_path, ROLES)
    (tmp_path / "tokens.json").unlink()
    after = secrets.ensure(tmp_path, ROLES)
    (tmp_path / "passwords.json").unlink()
    with pytest.raises(SettingsError, match=r"passwords\.json: it is gone"):
        secrets.ensure(tmp_path, ROLES)

    assert before.passwords == after.passwords
    assert before.tokens != after.tokens


@pytest.mark.parametrize("damage", ["empty", "garbage", "another object", "a folder"])
@pytest.mark.parametrize("command", ["status", "down", "logs", "models"])
def test_a_command_ends_with_one_line(tmp_path: Path, command: str, damage: str) -> None:
    """The command line ends at once, without a traceback."""
    _damage(tmp_path / "state.json", DAMAGES[damage])
    done = subprocess.run(
        [sys.executable, "-m", "mlplatform", command, "--home", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert 0 != done.returncode
    assert "Traceback" not in done.stderr
    assert str(tmp_path / "state.json") in done.stderr.replace("\n", "")


def test_a_lock_that_can_not_be_opened_is_named(tmp_path: Path) -> None:
    """A folder in the place of the lock is named, not taken for a stack that runs."""
    (tmp_path / state.LOCK).mkdir()
    with (
        pytest.raises(SettingsError, match=rf"{state.LOCK}: Is a directory.*remove"),
        state.hold(tmp_path),
    ):
        pass

    assert (tmp_path / state.LOCK).is_dir()
