"""Reading the settings, once, at the start of a process.

By hand, since pydantic-settings takes a tenth of a serving process's start. No .env file is read:
one that happens to lie in the current folder would be read by surprise.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mlplatform.errors import SettingsError
from mlplatform.settings.tree import PREFIX, SECRETS_DIR, Settings, fields, variable


def load() -> Settings:
    """Read environment and files. Raises SettingsError that names the variable at fault."""
    refuse_unknown(os.environ)
    secrets = os.environ.get(SECRETS_DIR)
    _refuse_missing_secrets(secrets)
    texts = {**(_files(Path(secrets)) if secrets else {}), **os.environ}  # the environment wins
    try:
        return Settings.model_validate(_tree(texts))
    except ValidationError as error:
        first = error.errors()[0]
        name = variable(*(str(part) for part in first["loc"][:2]))
        raise SettingsError(
            first["msg"].removeprefix("Value error, "),
            field=name,
            fix="see docs/reference/settings.md",
        ) from error


def require(value: Any, group: str, field: str) -> Any:
    """`value`, for settings that only some processes need.

    Raises SettingsError that names the variable when it is empty.
    """
    if value is None or value in ("", ()):
        raise SettingsError(
            "is not set", field=variable(group, field), fix="this process can't run without it"
        )
    return value


def refuse_unknown(environment: Mapping[str, str]) -> None:
    """Raise SettingsError for a variable with our prefix that is not a field."""
    known = set(fields()) | {SECRETS_DIR}
    unknown = sorted(
        name
        for name in environment
        if name.upper().startswith(PREFIX) and name.upper() not in known
    )
    if unknown:
        raise SettingsError(
            f"unknown setting {', '.join(unknown)}",
            field=unknown[0],
            fix="see docs/reference/settings.md",
        )


def _refuse_missing_secrets(folder: str | None) -> None:
    """Raise SettingsError when the folder of secrets is missing.

    Otherwise each secret would silently have its default.
    """
    if folder and not Path(folder).is_dir():
        raise SettingsError(
            f"there is no folder {folder}",
            field=SECRETS_DIR,
            fix="mount it, or leave the variable out",
        )


def _files(folder: Path) -> dict[str, str]:
    """What the files of secrets say. The folder of a mounted Secret holds other things as well."""
    prefix = PREFIX.lower()
    files = (path for path in sorted(folder.iterdir()) if path.name.lower().startswith(prefix))
    return {path.name: path.read_text().strip() for path in files if path.is_file()}


def _tree(texts: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Group -> field -> text, of the names with our prefix, in upper or lower case."""
    found: dict[str, dict[str, str]] = {}
    for name, text in texts.items():
        group, _, field = name.lower().removeprefix(PREFIX.lower()).partition("__")
        if name.upper().startswith(PREFIX) and group in Settings.model_fields:
            found.setdefault(group, {})[field] = text
    return found
