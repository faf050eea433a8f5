"""What the trainer's process refuses before it begins."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from mlplatform.access import new_run_token
from mlplatform.errors import SettingsError
from mlplatform.settings import DataApiSettings, PostgresSettings, Settings
from mlplatform.trainer.credentials import has_run_token, refuse_databases
from mlplatform.trainer.main import run


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


def test_a_run_begins_with_its_own_token_only() -> None:
    """The trainer's, which opens every pipeline, is refused before any code of one is loaded."""
    own = Settings(dataapi=DataApiSettings(token=SecretStr(new_run_token("0" * 32))))
    others = [Settings(), Settings(dataapi=DataApiSettings(token=SecretStr("token-trainer")))]
    for settings in others:
        with pytest.raises(SettingsError, match="not the token of a run"):
            run(settings, "churn")

    assert [True, False, False] == [has_run_token(each) for each in (own, *others)]
