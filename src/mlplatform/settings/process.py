"""Settings of every process: its logs, its metrics, its callers."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from mlplatform.settings.group import SettingsGroup


class TelemetrySettings(SettingsGroup):
    """Logs and metrics."""

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe level that is written."
    )
    # Logs are collected by machines far more often than they are read at a terminal.
    log_format: Literal["json", "console"] = Field(
        "json", description="json for machines, console for a person at a terminal."
    )
    # Loopback: /metrics has no authentication, so nobody else sees it unless it is opened on
    # purpose.
    metrics_host: str = Field(
        "127.0.0.1",
        description="Address of /metrics for processes that have no HTTP server of their own.",
    )
    metrics_port: int = Field(0, ge=0, le=65535, description="Port of that page; 0 turns it off.")


class AuditSettings(SettingsGroup):
    """Checkpoints of the chains that prove stored records (docs/concepts/evidence.md)."""

    # What is written in between can be changed unseen by whoever owns database and queue; a
    # checkpoint is 300 bytes.
    checkpoint_every_s: float = Field(
        300.0, ge=0, description="Pause between checkpoints of an outbox; 0: none are written."
    )
    folder: Path | None = Field(
        None,
        description="Folder where checkpoints go besides the queue: on a volume that the owner of "
        "the databases can't write.",
    )
    key: SecretStr | None = Field(
        None,
        description="Private key that signs checkpoints (`mlplatform audit keygen`); empty: they "
        "are not signed.",
    )
    # Ten years: longer than rows are kept.
    retention_h: int = Field(
        87_600, ge=1, description="Hours that Kafka keeps checkpoints, in a topic of their own."
    )


class RedactionSettings(SettingsGroup):
    """The key of columns that are stored as hashes (docs/how-to/redact.md)."""

    # None: a key that was made up at a start would give other hashes after the next one.
    key: SecretStr | None = Field(
        None,
        min_length=32,
        description="Key of the hashes, a text of 32 characters or more. The same for data API, "
        "etl and serving; another key gives other hashes. Needed by pipelines that say "
        "`redact: {column: hash}`.",
    )


class AccessSettings(SettingsGroup):
    """Who may call."""

    tokens_file: Path | None = Field(
        None,
        description="Token file (see docs/how-to/access.md). Needed by dataapi, and by serving "
        "with auth=bearer.",
    )
