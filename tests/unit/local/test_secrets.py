from __future__ import annotations

import stat
from pathlib import Path

import pytest

from mlplatform.access import AccessList, Role
from mlplatform.errors import SettingsError, Unauthenticated
from mlplatform.local import secrets


def test_secrets_are_made_once(tmp_path: Path) -> None:
    """A second start finds the same passwords and tokens, and gives a new role a password."""
    first = secrets.ensure(tmp_path / "s", ("a", "b"))
    second = secrets.ensure(tmp_path / "s", ("a", "b", "c"))

    assert (first.tokens, first.passwords["a"], first.passwords["b"]) == (
        second.tokens,
        second.passwords["a"],
        second.passwords["b"],
    )
    assert {"a", "b", "c"} == set(second.passwords)
    assert 8 == len({*second.passwords.values(), *second.tokens.values()})


def test_secrets_are_private(tmp_path: Path) -> None:
    """Only the owner can read the files and enter their folder."""
    secrets.ensure(tmp_path / "s", ("a",))

    assert 0o700 == stat.S_IMODE((tmp_path / "s").stat().st_mode)
    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "s").iterdir()}


def test_servers_know_digests_and_roles_only(tmp_path: Path) -> None:
    """The servers' file lets each caller in with its roles, and holds no token."""
    made = secrets.ensure(tmp_path / "s", ())
    access = AccessList.load(made.access_file)

    assert access.authenticate(f"Bearer {made.tokens['client']}").roles == (
        Role.PREDICT,
        Role.WRITER,
        Role.READER,
    )
    assert not any(token in made.access_file.read_text() for token in made.tokens.values())
    with pytest.raises(Unauthenticated):
        access.authenticate("Bearer other")


def test_missing_tokens_are_explained(tmp_path: Path) -> None:
    """Without the file a command says which one it missed and what makes it."""
    with pytest.raises(SettingsError, match=r"tokens\.json.*mlplatform up"):
        secrets.tokens(tmp_path)
