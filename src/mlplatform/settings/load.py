"""Reading the settings, once, at the start of a process."""

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
    _refuse_missing_secrets(os.environ.get(SECRETS_DIR))
    try:
        return Settings()
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
    """Raise SettingsError for a variable with our prefix that is not a field.

    pydantic-settings ignores those.
    """
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
