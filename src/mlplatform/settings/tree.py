"""The whole tree of settings."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from mlplatform.settings.http import DataApiSettings, ServingSettings
from mlplatform.settings.models import (
    BackupSettings,
    ClusterSettings,
    MlflowSettings,
    RaySettings,
    RegistrySettings,
    SourceSettings,
    TrainerSettings,
)
from mlplatform.settings.postgres import PostgresSettings
from mlplatform.settings.process import (
    AccessSettings,
    AuditSettings,
    RedactionSettings,
    TelemetrySettings,
)
from mlplatform.settings.retention import RetentionSettings
from mlplatform.settings.transport import (
    ConsumerSettings,
    EtlSettings,
    OutboxSettings,
    QueueSettings,
    ShipperSettings,
)

PREFIX = "MLPLATFORM_"
SECRETS_DIR = "MLPLATFORM_SECRETS_DIR"


class Settings(BaseModel):
    """The whole tree."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    telemetry: TelemetrySettings = TelemetrySettings()
    access: AccessSettings = AccessSettings()
    audit: AuditSettings = AuditSettings()
    redaction: RedactionSettings = RedactionSettings()
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
    ray: RaySettings = RaySettings()
    backup: BackupSettings = BackupSettings()
    cluster: ClusterSettings = ClusterSettings()
    retention: RetentionSettings = RetentionSettings()


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
