"""The whole tree of settings, and where its values come from."""

from __future__ import annotations

import os
from typing import Any

from pydantic import BaseModel
from pydantic_settings import (
    BaseSettings,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from mlplatform.settings.http import DataApiSettings, ServingSettings
from mlplatform.settings.models import (
    BackupSettings,
    ClusterSettings,
    MlflowSettings,
    RegistrySettings,
    SourceSettings,
    TrainerSettings,
)
from mlplatform.settings.postgres import PostgresSettings
from mlplatform.settings.process import AccessSettings, TelemetrySettings
from mlplatform.settings.transport import (
    ConsumerSettings,
    EtlSettings,
    OutboxSettings,
    QueueSettings,
    ShipperSettings,
)

PREFIX = "MLPLATFORM_"
SECRETS_DIR = "MLPLATFORM_SECRETS_DIR"


class Settings(BaseSettings):
    """The whole tree."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=PREFIX, env_nested_delimiter="__"
    )

    telemetry: TelemetrySettings = TelemetrySettings()
    access: AccessSettings = AccessSettings()
    postgres: PostgresSettings = PostgresSettings()
    queue: QueueSettings = QueueSettings()
    outbox: OutboxSettings = OutboxSettings()
    dataapi: DataApiSettings = DataApiSettings()
    serving: ServingSettings = ServingSettings()
    shipper: ShipperSettings = ShipperSettings()
    consumer: ConsumerSettings = ConsumerSettings()
    etl: EtlSettings = EtlSettings()
    registry: RegistrySettings = RegistrySettings()
    mlflow: MlflowSettings = MlflowSettings()
    source: SourceSettings = SourceSettings()
    trainer: TrainerSettings = TrainerSettings()
    backup: BackupSettings = BackupSettings()
    cluster: ClusterSettings = ClusterSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  (the hook's fixed signature)
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Keyword arguments, then the environment, then files.

        No .env file: one that happens to lie in the current folder would be read by surprise.
        """
        if not os.environ.get(SECRETS_DIR):
            return init_settings, env_settings
        files = NestedSecretsSettingsSource(
            file_secret_settings,
            secrets_dir=os.environ[SECRETS_DIR],
            secrets_prefix=PREFIX.lower(),
            secrets_nested_delimiter="__",
        )
        return init_settings, env_settings, files


def variable(*path: str) -> str:
    """Name of a field's environment variable, e.g. MLPLATFORM_QUEUE__URL of ("queue", "url")."""
    return PREFIX + "__".join(path).upper()


def fields() -> dict[str, tuple[str, str, Any]]:
    """Every setting: variable -> (group, field, pydantic's FieldInfo)."""
    found: dict[str, tuple[str, str, Any]] = {}
    for group, info in Settings.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found |= {
                variable(group, name): (group, name, field)
                for name, field in kind.model_fields.items()
            }
    return found
