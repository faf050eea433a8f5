"""Every setting of every process: one frozen, typed tree.

Read once, by the command line, from `MLPLATFORM_<GROUP>__<FIELD>` (two underscores) and from files
of the same lower-case name in `MLPLATFORM_SECRETS_DIR`. A name with this prefix that is not a field
is refused: a typo must not become a default. Nothing else in the package reads the environment. A
list is JSON, or names with commas between them. Times are seconds, sizes are bytes, unless the name
says otherwise. A comment above a field says why its default is what it is.
"""

from __future__ import annotations

from mlplatform.settings.group import Names, SettingsGroup
from mlplatform.settings.http import DataApiSettings, ServingSettings
from mlplatform.settings.load import load, refuse_unknown, require
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
from mlplatform.settings.tree import PREFIX, SECRETS_DIR, Settings, fields, variable

__all__ = [
    "PREFIX",
    "SECRETS_DIR",
    "AccessSettings",
    "AuditSettings",
    "BackupSettings",
    "ClusterSettings",
    "ConsumerSettings",
    "DataApiSettings",
    "EtlSettings",
    "MlflowSettings",
    "Names",
    "OutboxSettings",
    "PostgresSettings",
    "QueueSettings",
    "RaySettings",
    "RedactionSettings",
    "RegistrySettings",
    "RetentionSettings",
    "ServingSettings",
    "Settings",
    "SettingsGroup",
    "ShipperSettings",
    "SourceSettings",
    "TelemetrySettings",
    "TrainerSettings",
    "fields",
    "load",
    "refuse_unknown",
    "require",
    "variable",
]
