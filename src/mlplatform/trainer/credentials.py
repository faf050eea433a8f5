"""What a training may hold: its process runs code of the pipeline's author, which finds it too."""

from __future__ import annotations

from mlplatform.access import run_of
from mlplatform.errors import SettingsError
from mlplatform.settings import Settings, variable


def refuse_databases(settings: Settings) -> None:
    """Raise SettingsError that names every database address among the settings.

    The trainer runs code of the pipeline's author: what it can't reach, that code can't reach.
    """
    given = [
        variable("postgres", name)
        for name in type(settings.postgres).model_fields
        if name.endswith("_dsn") and getattr(settings.postgres, name) is not None
    ]
    if given:
        raise SettingsError(
            f"the trainer must hold no database credentials, and got {', '.join(given)}",
            field=given[0],
            fix="remove them from this process's environment and secrets; "
            "training data comes through the data API",
        )


def has_run_token(settings: Settings) -> bool:
    """Whether the token of these settings is that of a run, as a lease gives it."""
    token = settings.dataapi.token
    return token is not None and run_of(token.get_secret_value()) is not None


def require_run_token(settings: Settings) -> None:
    """Raise SettingsError for any other token: it would open other pipelines too."""
    if not has_run_token(settings):
        raise SettingsError(
            "is not the token of a run, and code of the pipeline must not find another one here",
            field=variable("dataapi", "token"),
            fix="take the lease: its answer has the token (`mlplatform trainer` does)",
        )
