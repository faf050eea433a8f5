"""What the trainer's process refuses before it begins."""

from __future__ import annotations

import pytest

from mlplatform.errors import SettingsError
from mlplatform.settings import PostgresSettings, Settings
from mlplatform.trainer.main import refuse_databases


def test_database_credentials_are_refused() -> None:
    """The trainer does not start with any database address among its settings, and names each."""
    refuse_databases(Settings())
    given = Settings(
        postgres=PostgresSettings(
            warehouse_dsn="postgresql://a@b/c", owner_raw_dsn="postgresql://a@b/c"
        )
    )

    with pytest.raises(SettingsError, match=r"WAREHOUSE_DSN.*OWNER_RAW_DSN"):
        refuse_databases(given)
