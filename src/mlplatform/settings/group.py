"""What every group of settings stands on."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr


def _listed(value: Any) -> Any:
    """A list from a text: JSON, or names with commas between them."""
    if not isinstance(value, str):
        return value
    if not value.strip().startswith(("[", "{", '"')):
        return tuple(part for part in (part.strip() for part in value.split(",")) if part)
    try:
        found = json.loads(value)
    except ValueError:
        found = None
    if not isinstance(found, list):
        # pydantic reports ValueErrors only
        raise ValueError('is not a list; write a,b or ["a","b"]')  # noqa: TRY004
    return tuple(found)


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
"""A list of names."""


Secrets = Annotated[tuple[SecretStr, ...], BeforeValidator(_listed)]
"""A list of secrets."""


class SettingsGroup(BaseModel):
    """One group of settings: frozen, and without fields that nobody declared."""

    model_config = ConfigDict(frozen=True, extra="forbid")
