"""Settings of the databases."""

from __future__ import annotations

from pydantic import Field, SecretStr

from mlplatform.settings.group import Secrets, SettingsGroup

SHARD = r"^raw(-([2-9]|[1-9][0-9]{1,2}))?$"
"""Names of raw servers."""


class PostgresSettings(SettingsGroup):
    """Connections. Each process gets only the ones that it needs; the trainer gets none."""

    raw_dsn: SecretStr | None = Field(
        None, description="Primary of the raw (staging) database, under this process's own role."
    )
    warehouse_dsn: SecretStr | None = Field(
        None, description="Primary of the warehouse database, under this process's own role."
    )
    raw_replica_dsn: SecretStr | None = Field(
        None,
        description="Standby of the raw database, role mlplatform_reader. On CloudNativePG the "
        "-ro address.",
    )
    warehouse_replica_dsn: SecretStr | None = Field(
        None,
        description="Standby of the warehouse, role mlplatform_reader. One address only, never a"
        " host list.",
    )
    # Lists and no single names, so that a server is added without a new setting. Their order is
    # their name, and each database knows its own: a list in another order is refused.
    raw_more_dsns: Secrets = Field(
        (), description="Primaries of the further raw servers raw-2, raw-3, …, in this order."
    )
    raw_more_replica_dsns: Secrets = Field(
        (), description="Standbys of the further raw servers, in the same order."
    )
    owner_raw_more_dsns: Secrets = Field(
        (), description="Owners of the further raw servers, in the same order; migrations only."
    )
    owner_raw_dsn: SecretStr | None = Field(
        None, description="Owner of the raw schema; migrations only."
    )
    owner_warehouse_dsn: SecretStr | None = Field(
        None, description="Owner of the warehouse schema; migrations only."
    )
    mlflow_dsn: SecretStr | None = Field(
        None, description="MLflow's database: used by mlflow and by backup."
    )
    # Two pods of the data API, one consumer and one etl hold at most 56 connections to the
    # primaries then: well below PostgreSQL's default of 100 per server.
    pool_max: int = Field(8, ge=1, description="Most connections per pool and process.")
    # A handshake takes milliseconds. Longer waits would only pile up callers in front of a database
    # that is away; it is also how long they wait for a free connection.
    connect_timeout_s: float = Field(
        5.0, gt=0, description="How long a connection may take before the database counts as away."
    )
    # Far above any statement of ours, so that only one that hangs meets it. The watchdog of
    # consumer and etl allows for it.
    statement_timeout_s: float = Field(
        300.0, gt=0, description="Longest statement; datasets have no bound but the reader's stall."
    )
    # Four WAL segments: far more than a standby that keeps up is behind.
    max_lag_bytes: int = Field(
        64 * 1024 * 1024,
        ge=0,
        description="A standby further behind than this answers 503 instead of old data.",
    )
