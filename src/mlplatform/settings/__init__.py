"""Every knob of every process: one frozen, typed tree.

Read once, by the command line, from `MLPLATFORM_<GROUP>__<FIELD>` (two underscores) and from files
of the same lower-case name in `MLPLATFORM_SECRETS_DIR`. A name with our prefix that is no field is
refused: a typo must not become a default. Nothing else in the package reads the environment. A list
is JSON, or names with commas between them. Times are seconds, sizes are bytes, unless the name says
otherwise.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    NestedSecretsSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from mlplatform.errors import SettingsError

PREFIX = "MLPLATFORM_"
SECRETS_DIR = "MLPLATFORM_SECRETS_DIR"


def _listed(value: Any) -> Any:
    """A list out of a text: JSON, or names with commas between them."""
    if not isinstance(value, str):
        return value
    if not value.strip().startswith(("[", "{", '"')):
        return tuple(part for part in (part.strip() for part in value.split(",")) if part)
    try:
        found = json.loads(value)
    except ValueError:
        found = None
    if not isinstance(found, list):
        raise ValueError('is no list; write a,b or ["a","b"]')  # noqa: TRY004  (pydantic tells ValueErrors only)
    return tuple(found)


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]
"""A list of names. pydantic-settings by itself would take JSON only, and tell of anything else in a way that names no variable."""


class SettingsGroup(BaseModel):
    """A group of knobs."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TelemetrySettings(SettingsGroup):
    """Logs and metrics."""

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe level that is written."
    )
    log_format: Literal["json", "console"] = Field(
        "json", description="json for machines, console for a person at a terminal."
    )
    metrics_host: str = Field(
        "127.0.0.1",
        description="Address of /metrics for processes that have no HTTP server of their own.",
    )
    metrics_port: int = Field(0, ge=0, le=65535, description="Port of that page; 0 turns it off.")


class AccessSettings(SettingsGroup):
    """Who may call."""

    tokens_file: Path | None = Field(
        None,
        description="Token file (see docs/how-to/access.md). Needed by dataapi, and by serving "
        "with auth=bearer.",
    )


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
        description="Standby of the raw database, role mlplatform_reader. On CloudNativePG the -ro address.",
    )
    warehouse_replica_dsn: SecretStr | None = Field(
        None,
        description="Standby of the warehouse, role mlplatform_reader. One address only, never a host list.",
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
    pool_max: int = Field(8, ge=1, description="Most connections per pool and process.")
    connect_timeout_s: float = Field(
        5.0, gt=0, description="How long a connection may take before the database counts as away."
    )
    statement_timeout_s: float = Field(
        300.0, gt=0, description="Longest statement; datasets have no bound but the reader's stall."
    )
    max_lag_bytes: int = Field(
        64 * 1024 * 1024,
        ge=0,
        description="A standby further behind than this answers 503 instead of old data.",
    )


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
    partitions: int = Field(
        6,
        ge=1,
        le=1000,
        description="Partitions made when the topic is missing; also the most consumers that share the work.",
    )
    replication_factor: int = Field(
        1, ge=1, le=7, description="Kafka copies; 3 in production, with min.insync.replicas=2."
    )
    min_insync_replicas: int = Field(
        1,
        ge=1,
        le=7,
        description="Copies that must hold a record before it counts as acknowledged.",
    )
    retention_h: int = Field(
        168,
        ge=1,
        description="Hours that Kafka keeps records: how far back a failed-over database can be healed.",
    )
    group: str = Field(
        "mlplatform.consumer",
        description="Consumer group, for monitoring; the truth is in the database.",
    )
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
    segment_bytes: int = Field(
        16 * 1024 * 1024, ge=64 * 1024, description="Size of a preallocated segment file."
    )
    capacity_bytes: int = Field(
        512 * 1024 * 1024,
        ge=128 * 1024,
        description="Above this, serving answers 503 until the shipper has caught up.",
    )


class DataApiSettings(SettingsGroup):
    """The only door to the data; `url` and `token` are what its clients need."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8081, ge=0, le=65535, description="Port to listen on.")
    url: str = Field("http://127.0.0.1:8081", description="Where clients find the data API.")
    token: SecretStr | None = Field(None, description="This process's own token for the data API.")
    max_body_bytes: int = Field(64 * 1024 * 1024, ge=1024, description="Largest request body.")
    rate_per_s: float = Field(
        200.0, gt=0, description="Requests a second per caller; above it 429."
    )
    burst: int = Field(
        400, ge=1, description="Requests a caller may send at once before the rate counts."
    )
    mirror_interval_s: float = Field(
        2.0, gt=0, description="How often MLflow's aliases are compared with the promotion records."
    )
    stall_s: float = Field(
        60.0,
        gt=0,
        description="A dataset stream whose client takes nothing for so long is cut: it holds a snapshot of the standby.",
    )
    outbox_silent_s: float = Field(
        120.0,
        gt=0,
        description="An outbox that has said nothing for so long is taken as lost: what it had not shipped counts as missing.",
    )
    receive_s: float = Field(
        120.0,
        gt=0,
        description="How long a request's body may take to arrive; then 408, and its connection is closed.",
    )
    max_connections: int = Field(
        1_024,
        ge=1,
        description="Most open connections; above it requests get 503, health pages don't.",
    )
    drain_s: float = Field(
        20.0, ge=0, description="How long running requests may take after SIGTERM."
    )


class ServingSettings(SettingsGroup):
    """Answers predictions."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on.")
    url: str = Field("http://127.0.0.1:8080", description="Where clients find serving.")
    models: Names = Field((), description="Pipelines that this process serves.")
    auth: Literal["bearer", "none"] = Field(
        "bearer", description="none lets everybody in who reaches the port."
    )
    cache: Path | None = Field(
        None, description="Folder that keeps the last good model of each pipeline."
    )
    poll_s: float = Field(
        2.0, gt=0, description="How often the promotion record is asked for, with jitter."
    )
    max_body_bytes: int = Field(
        512 * 1024,
        ge=1024,
        description="Largest request body. With its answer it must fit one Kafka record.",
    )
    max_rows: int = Field(2_000, ge=1, description="Most rows in one request.")
    max_waiting: int = Field(
        1_024, ge=1, description="Most requests that wait for the model; above it 429."
    )
    max_batch: int = Field(64, ge=1, description="Most requests in one model call.")
    receive_s: float = Field(
        10.0,
        gt=0,
        description="How long a request's body may take to arrive; then 408, and its connection is closed.",
    )
    max_connections: int = Field(
        4_096,
        ge=1,
        description="Most open connections; above it requests get 503, health pages don't.",
    )
    drain_s: float = Field(
        20.0, ge=0, description="How long running requests may take after SIGTERM."
    )
    linger_s: float = Field(
        0.0,
        ge=0,
        description="How long new requests are still taken after SIGTERM, until load balancers have noticed the failing readiness.",
    )


class ShipperSettings(SettingsGroup):
    """Outbox to queue."""

    batch_records: int = Field(
        500, ge=1, description="Most records sent before an acknowledgement is awaited."
    )
    idle_s: float = Field(0.05, gt=0, description="Pause when the outbox is empty.")
    drain_s: float = Field(
        25.0,
        ge=0,
        description="How long to go on shipping after SIGTERM until the outbox is empty.",
    )


class ConsumerSettings(SettingsGroup):
    """Queue to the raw database."""

    batch_records: int = Field(2_000, ge=1, description="Most records in one transaction.")
    poll_s: float = Field(0.25, gt=0, description="Longest wait for records.")
    dead_letter_limit: int = Field(
        1_000,
        ge=1,
        description="Dead letters in a row after which the consumer stops instead of draining the topic.",
    )


class EtlSettings(SettingsGroup):
    """Raw rows to feature rows."""

    batch_requests: int = Field(2_000, ge=1, description="Most requests in one transaction.")
    batch_rows: int = Field(
        20_000, ge=1, description="Most rows in one transaction; a single request may have more."
    )
    idle_s: float = Field(0.5, gt=0, description="Pause when there is nothing to do.")
    retry_s: float = Field(
        10.0,
        gt=0,
        description="How long a features definition that can't be loaded rests until it is tried again.",
    )


class RegistrySettings(SettingsGroup):
    """MLflow, and what may be loaded from it."""

    url: str = Field("http://127.0.0.1:5000", description="MLflow tracking server.")
    skops_trusted: Names = Field(
        (
            "sklearn.tree._tree.Tree",
            "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
            "sklearn._loss.link.LogitLink",
            "sklearn._loss.link.IdentityLink",
            "sklearn._loss.loss.HalfBinomialLoss",
            "sklearn._loss.loss.HalfSquaredError",
        ),
        description="Types that a skops file may hold beyond skops' own list. Never taken from the model.",
    )
    username: str | None = Field(
        None, description="User for HTTP basic authentication at a server of your own."
    )
    password: SecretStr | None = Field(None, description="Password for it.")

    @property
    def credentials(self) -> tuple[str, str] | None:
        """User and password, or None when the server asks for neither."""
        return (
            (self.username, self.password.get_secret_value())
            if self.username and self.password
            else None
        )


class MlflowSettings(SettingsGroup):
    """The tracking server itself, where it runs as a process of its own (`mlplatform mlflow`)."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(5000, ge=0, le=65535, description="Port to listen on.")
    artifacts: str = Field(
        "", description="Where files go: a folder, or a URL such as s3://bucket/path."
    )
    allowed_hosts: Names = Field(
        (), description="HOST:PORT names by which clients reach it; MLflow compares them exactly."
    )


class SourceSettings(SettingsGroup):
    """The git repository with pipelines/<model>/."""

    url: str = Field("", description="Git URL or path of a repository.")
    ref: str = Field("HEAD", description="Branch, tag or commit that `apply` reads.")
    folder: str = Field("pipelines", description="Folder inside the repository.")
    working_tree: bool = Field(
        False,
        description="Read the files as they lie at `url` (a path) instead of a commit; for local edits.",
    )
    cache: Path | None = Field(None, description="Folder for clones; a temporary one when empty.")
    username: str | None = Field(None, description="User for HTTP basic authentication.")
    password: SecretStr | None = Field(
        None, description="Password or deploy token for HTTP basic authentication."
    )


class TrainerSettings(SettingsGroup):
    """One training run."""

    work: Path | None = Field(None, description="Scratch folder; a temporary one when empty.")
    image: str = Field(
        "", description="Image that this run was started from, recorded with the version."
    )
    jobs: int = Field(1, ge=1, description="Processes that tuning may use.")
    wait_s: float = Field(
        120.0,
        ge=0,
        description="How long to wait for the features backfill and for a lagging standby.",
    )


class BackupSettings(SettingsGroup):
    """Registry snapshots."""

    folder: Path | None = Field(None, description="Where snapshots are kept.")
    keep: int = Field(
        7, ge=1, description="Snapshots that are kept; older ones are removed after a good new one."
    )


class ClusterSettings(SettingsGroup):
    """Where training runs are started."""

    kind: Literal["local", "kubernetes"] = Field(
        "local", description="Child processes on this machine, or Jobs from the CronJobs."
    )
    namespace: str = Field("", description="Namespace of the trainer CronJobs.")
    cronjob_prefix: str = Field(
        "mlplatform-trainer-", description="CronJob name without the pipeline."
    )
    environment_file: Path | None = Field(
        None, description="local only: JSON with the whole environment of a trainer process."
    )
    logs: Path | None = Field(
        None,
        description="local only: folder of one log file per run; empty: `logs` beside environment_file.",
    )


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
        """Keyword arguments, then the environment, then files; no .env file, which would be read by surprise."""
        if not os.environ.get(SECRETS_DIR):
            return init_settings, env_settings
        files = NestedSecretsSettingsSource(
            file_secret_settings,
            secrets_dir=os.environ[SECRETS_DIR],
            secrets_prefix=PREFIX.lower(),
            secrets_nested_delimiter="__",
        )
        return init_settings, env_settings, files


def load() -> Settings:
    """Read environment and files. Raises SettingsError that names the variable at fault."""
    refuse_unknown(os.environ)
    _refuse_missing_secrets(os.environ.get(SECRETS_DIR))
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = variable(*(str(part) for part in first["loc"][:2]))
        raise SettingsError(
            first["msg"].removeprefix("Value error, "),
            field=name,
            fix="see docs/reference/settings.md",
        ) from error


def require(value: Any, group: str, field: str) -> Any:
    """`value`, or SettingsError that names the variable when it is empty: for settings that only some processes need."""
    if value is None or value in ("", ()):
        raise SettingsError(
            "is not set", field=variable(group, field), fix="this process can't run without it"
        )
    return value


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


def refuse_unknown(environment: Mapping[str, str]) -> None:
    """Raise SettingsError for a variable with our prefix that is no field (pydantic-settings ignores those)."""
    known = set(fields()) | {SECRETS_DIR}
    unknown = sorted(
        name
        for name in environment
        if name.upper().startswith(PREFIX) and name.upper() not in known
    )
    if unknown:
        raise SettingsError(
            f"unknown setting {', '.join(unknown)}",
            field=unknown[0],
            fix="see docs/reference/settings.md",
        )


def _refuse_missing_secrets(folder: str | None) -> None:
    """Raise SettingsError for a folder of secrets that isn't there: each secret would silently be its default."""
    if folder and not Path(folder).is_dir():
        raise SettingsError(
            f"there is no folder {folder}",
            field=SECRETS_DIR,
            fix="mount it, or leave the variable out",
        )
