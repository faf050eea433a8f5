"""Passwords and tokens of a local stack: made once, in a folder that only its owner can read."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from mlplatform.access import Role, digest, new_token
from mlplatform.durable import write_whole
from mlplatform.local import home_files

CALLERS: Mapping[str, tuple[Role, ...]] = {
    "admin": (Role.ADMIN,),
    "trainer": (Role.TRAINER,),
    "serving": (Role.SERVING,),
    "client": (Role.PREDICT, Role.WRITER, Role.READER),
    "retention": (Role.RETENTION,),
}
_NEW_TOKENS = "stop the stack, remove this, and `mlplatform up` makes new tokens"
_OLD_PASSWORDS = (
    "bring this file back: the databases know its passwords; or `mlplatform clean`, which deletes "
    "them with all data"
)

_OLD_KEY = (
    "bring this file back: the hashes of redacted columns were made with it; or remove it, and new "
    "requests get other hashes"
)


@dataclass(frozen=True)
class Secrets:
    """What a stack authenticates with."""

    passwords: Mapping[str, str]  # database role -> password
    tokens: Mapping[str, str]  # caller -> bearer token
    tokens_file: Path  # the same tokens for people and scripts
    access_file: Path  # their digests, for the servers
    redaction_key: str  # of the hashes in redacted columns


def ensure(folder: Path, roles: tuple[str, ...]) -> Secrets:
    """Read the secrets of a stack, making what is missing. A second call returns the same."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    tokens_file, access_file = folder / "tokens.json", folder / "access.yaml"
    # The last of the three that a first start writes.
    if access_file.exists() and not (folder / "passwords.json").exists():
        raise home_files.damaged(folder / "passwords.json", "it is gone", fix=_OLD_PASSWORDS)
    passwords = _complete(folder / "passwords.json", roles, fix=_OLD_PASSWORDS)
    tokens = _complete(tokens_file, tuple(CALLERS), fix=_NEW_TOKENS)
    entries = [
        {
            "name": name,
            "roles": [str(role) for role in CALLERS[name]],
            "sha256": digest(tokens[name]),
        }
        for name in CALLERS
    ]
    write_anew(access_file, yaml.safe_dump({"tokens": entries}, sort_keys=False))
    redaction = _complete(folder / "redaction.json", ("key",), fix=_OLD_KEY)
    return Secrets(passwords, tokens, tokens_file, access_file, redaction["key"])


def tokens(folder: Path) -> dict[str, str]:
    """The tokens of a stack by caller. Raises SettingsError when they can't be read."""
    path = folder / "tokens.json"
    known = home_files.read(path, home_files.WORDS, fix=_NEW_TOKENS)
    missing = [name for name in CALLERS if name not in (known or {})]
    if known is None or missing:
        fault = f"'{missing[0]}' has no token" if known is not None else "there is no such file"
        raise home_files.damaged(path, fault, fix=_NEW_TOKENS)
    return known


def write_private(path: Path, text: str) -> None:
    """Write a file that was never readable by others, in one step."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)


def write_anew(path: Path, text: str) -> None:
    """The same for a file that every start writes. Raises SettingsError that names it."""
    try:
        write_private(path, text)
    except OSError as error:
        fault = f"can't write it: {error.strerror}"
        raise home_files.damaged(path, fault, fix="remove it: every start writes it") from error


def _complete(path: Path, names: tuple[str, ...], *, fix: str) -> dict[str, str]:
    found = home_files.read(path, home_files.WORDS, fix=fix)
    # A name may be new in this version. A file without any of them was never written by us, and
    # new secrets in its place would not open what the old ones locked.
    if found is not None and names and not any(name in found for name in names):
        raise home_files.damaged(path, f"it holds nothing of {', '.join(names)}", fix=fix)
    known = found or {}
    missing = {name: new_token() for name in names if name not in known}
    if missing:
        known |= missing
        try:
            write_whole(path, (json.dumps(known, indent=2) + "\n").encode())
        except OSError as error:
            raise home_files.damaged(path, f"can't write it: {error}", fix=fix) from error
    return known
