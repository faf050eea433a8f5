"""The trainer holds no database credentials: it runs code of the pipeline's author, and reads only through the data API."""

from __future__ import annotations

from mlplatform.errors import SettingsError
from mlplatform.settings import Settings, variable


def refuse_databases(settings: Settings) -> None:
    """Raise SettingsError that names every database address among the settings."""
    given = [
        name
        for name in type(settings.postgres).model_fields
        if name.endswith("_dsn") and getattr(settings.postgres, name) is not None
    ]
    if given:
        raise SettingsError(
            f"the trainer must hold no database credentials, and got {', '.join(variable('postgres', name) for name in given)}",
            field=variable("postgres", given[0]),
            fix="remove them from this process's environment and secrets; training data comes through the data API",
        )
