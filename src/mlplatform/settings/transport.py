"""Settings of the way from an accepted request to a feature row."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from mlplatform.settings.group import SettingsGroup
from mlplatform.settings.postgres import SHARD


class QueueSettings(SettingsGroup):
    """Between shipper and consumer."""

    url: str = Field(
        "", description="sqlite:///PATH (embedded, one machine) or kafka://HOST:PORT[,HOST:PORT]."
    )
    topic: str = Field(
        "mlplatform.requests",
        pattern=r"^[a-zA-Z0-9._-]{1,200}$",
        description="Topic of the requests.",
    )
    # Divides evenly among 1, 2, 3 and 6 consumers. Kafka can't take partitions away again, so the
    # default is not generous.
    partitions: int = Field(
        6,
        ge=1,
        le=1000,
        description="Partitions made when the topic is missing; also the most consumers that "
        "share the work.",
    )
    # 1 works on a single broker, which is what small clusters have.
    replication_factor: int = Field(
        1, ge=1, le=7, description="Kafka copies; 3 in production, with min.insync.replicas=2."
    )
    min_insync_replicas: int = Field(
        1,
        ge=1,
        le=7,
        description="Copies that must hold a record before it counts as acknowledged.",
    )
    # A week, as Kafka's own default: a failover noticed after a long weekend can still be healed.
    retention_h: int = Field(
        168,
        ge=1,
        description="Hours that Kafka keeps records: how far back a failed-over database can be "
        "healed.",
    )
    group: str = Field(
        "mlplatform.consumer",
        description="Consumer group, for monitoring; the truth is in the database.",
    )
    # Below the 1 MiB that a broker accepts by default, with room for the framing of a batch.
    max_record_bytes: int = Field(
        1_000_000,
        ge=1024,
        description="Largest record that is sent; larger ones become dead letters.",
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How to talk to Kafka."
    )
    ca_file: Path | None = Field(None, description="CA of the brokers' certificates.")
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, description="SASL mechanism."
    )
    username: str | None = Field(None, description="SASL user.")
    password: SecretStr | None = Field(None, description="SASL password.")


class OutboxSettings(SettingsGroup):
    """The folder where accepted requests wait for Kafka.

    One writer (serving), one reader (shipper).
    """

    folder: Path | None = Field(
        None, description="Folder of the segment files; never memory-backed."
    )
    # Space is freed by whole segments: small against the capacity, large enough that a new file is
    # rare.
    segment_bytes: int = Field(
        16 * 1024 * 1024, ge=64 * 1024, description="Size of a preallocated segment file."
    )
    # At 2 kB a request about 250,000 requests: four minutes without Kafka at 1,000 a second.
    capacity_bytes: int = Field(
        512 * 1024 * 1024,
        ge=128 * 1024,
        description="Above this, serving answers 503 until the shipper has caught up.",
    )


class ShipperSettings(SettingsGroup):
    """Outbox to queue."""

    # One acknowledgement of the broker for many records; what a crash sends twice stays small.
    batch_records: int = Field(
        500, ge=1, description="Most records sent before an acknowledgement is awaited."
    )
    # The most that a quiet outbox delays a record, for twenty cheap reads of a file per second.
    idle_s: float = Field(0.05, gt=0, description="Pause when the outbox is empty.")
    # The chart's grace period holds serving's drain and this one, one after the other.
    drain_s: float = Field(
        25.0,
        ge=0,
        description="How long to go on shipping after SIGTERM until the outbox is empty.",
    )
    # Nothing that it waits for takes longer than 15 s: a batch sent to Kafka is given up then. What
    # remains is the disk.
    stuck_s: float = Field(
        120.0,
        ge=0,
        description="How long the loop may stand still before the process is ended; 0: for ever.",
    )


class ConsumerSettings(SettingsGroup):
    """Queue to the raw database."""

    # Each raw server has consumers of its own: one that is away holds up its own partitions only.
    shard: str = Field(
        "raw",
        pattern=SHARD,
        description="Which raw server it stores to: raw, raw-2, … as the database at raw_dsn is "
        "called.",
    )
    # One commit for many rows. With records of some kB a batch is some MB in memory.
    batch_records: int = Field(2_000, ge=1, description="Most records in one transaction.")
    # An idle consumer notices a stop within this time; records end the wait at once.
    poll_s: float = Field(0.25, gt=0, description="Longest wait for records.")
    # A few broken records must not stop the rest; a thousand in a row mean that a producer and this
    # version do not understand each other, and draining the topic would only hide it.
    dead_letter_limit: int = Field(
        1_000,
        ge=1,
        description="Dead letters in a row after which the consumer stops instead of draining "
        "the topic.",
    )
    # Its own work on the largest batch takes about a second, and Kafka is waited for 10 s at most.
    stuck_s: float = Field(
        60.0,
        ge=0,
        description="How long the loop may stand still, beside one statement of the database, "
        "before the process is ended; 0: for ever.",
    )


class EtlSettings(SettingsGroup):
    """Raw rows to feature rows."""

    # Beyond this, what a batch costs beside its requests is no longer felt.
    batch_requests: int = Field(10_000, ge=1, description="Most requests in one transaction.")
    # Bounds a batch's memory, however many rows its requests have.
    batch_rows: int = Field(
        20_000, ge=1, description="Most rows in one transaction; a single request may have more."
    )
    # The largest batch takes a quick features.py milliseconds. One row that never ends costs this
    # about ten times.
    features_s: float = Field(
        5.0,
        gt=0,
        description="How long features.py may take for one batch; then the rows at fault are found "
        "and put into quarantine.",
    )
    # Rows become features within a second, and an idle etl costs the databases next to nothing.
    idle_s: float = Field(0.5, gt=0, description="Pause when there is nothing to do.")
    # Mostly the git server is away, or a person must push a fix: neither happens within a second.
    retry_s: float = Field(
        10.0,
        gt=0,
        description="How long until a features definition that could not be loaded is tried again.",
    )
    # Parsing the largest request takes seconds, a new child for features.py a minute at most.
    stuck_s: float = Field(
        60.0,
        ge=0,
        description="How long the loop may stand still, beside one statement of the database or "
        "one call of features.py, before the process is ended; 0: for ever.",
    )
