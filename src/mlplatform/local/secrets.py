"""Passwords and tokens of a local stack: made once, in a folder that only its owner can read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from mlplatform.access import Role, digest, new_token
from mlplatform.errors import SettingsError

CALLERS: Mapping[str, tuple[Role, ...]] = {
    "admin": (Role.ADMIN,),
    "trainer": (Role.TRAINER,),
    "serving": (Role.SERVING,),
    "client": (Role.PREDICT, Role.WRITER, Role.READER),
}


@dataclass(frozen=True)
class Secrets:
    """What a stack authenticates with."""

    passwords: Mapping[str, str]  # database role -> password
    tokens: Mapping[str, str]  # caller -> bearer token
    tokens_file: Path  # the same tokens for people and scripts
    access_file: Path  # their digests, for the servers


def ensure(folder: Path, roles: tuple[str, ...]) -> Secrets:
    """Read the secrets of a stack, making what is missing. A second call returns the same."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    tokens_file, access_file = folder / "tokens.json", folder / "access.yaml"
    passwords = _complete(folder / "passwords.json", roles, new_token)
    tokens = _complete(tokens_file, tuple(CALLERS), new_token)
    entries = [
        {
            "name": name,
            "roles": [str(role) for role in CALLERS[name]],
            "sha256": digest(tokens[name]),
        }
        for name in CALLERS
    ]
    write_private(access_file, yaml.safe_dump({"tokens": entries}, sort_keys=False))
    return Secrets(passwords, tokens, tokens_file, access_file)


def tokens(folder: Path) -> dict[str, str]:
    """The tokens of a stack by caller. Raises SettingsError when they can't be read."""
    path = folder / "tokens.json"
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"can't read the tokens of the local stack: {error}",
            field=str(path),
            fix="run `mlplatform up`",
        ) from error


def write_private(path: Path, text: str) -> None:
    """Write a file that was never readable by others, in one step."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)


def _complete(path: Path, names: tuple[str, ...], make: Callable[[], str]) -> dict[str, str]:
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    missing = {name: make() for name in names if name not in known}
    if missing:
        known |= missing
        write_private(path, json.dumps(known, indent=2) + "\n")
    return known
