"""Settings of the two HTTP servers that take requests from outside."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from mlplatform.settings.group import Names, SettingsGroup

_OWN_PATHS = ("v1", "v2", "models", "docs")


class DataApiSettings(SettingsGroup):
    """Hands out and takes in data; `url` and `token` are what its clients need."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8081, ge=0, le=65535, description="Port to listen on.")
    url: str = Field("http://127.0.0.1:8081", description="Where clients find the data API.")
    token: SecretStr | None = Field(None, description="This process's own token for the data API.")
    # An import's chunk of 5,000 records may have 13 kB for each.
    max_body_bytes: int = Field(64 * 1024 * 1024, ge=1024, description="Largest request body.")
    # A 64 MiB body is parsed in a few seconds; a loop that stands still longer will not go on.
    stuck_s: float = Field(
        30.0,
        ge=0,
        description="How long the event loop may stand still before the process is ended; 0: for "
        "ever.",
    )
    # No person and no training run comes near it; one script in a loop can't crowd out the others.
    rate_per_s: float = Field(
        200.0, gt=0, description="Requests a second per caller; above it 429."
    )
    # Two seconds of the rate: programs that start together are not refused.
    burst: int = Field(
        400, ge=1, description="Requests a caller may send at once before the rate counts."
    )
    # The aliases are for people; nobody waits for them.
    mirror_interval_s: float = Field(
        2.0, gt=0, description="How often MLflow's aliases are compared with the promotion records."
    )
    # Long enough for a client that computes between two batches. The snapshot that it holds keeps
    # the primary from removing old rows, so not much longer.
    stall_s: float = Field(
        60.0,
        gt=0,
        description="A dataset stream whose client reads nothing for this long is cut: it holds "
        "a snapshot of the standby.",
    )
    # Outboxes report every two seconds: sixty reports missed in a row are not a slow network.
    outbox_silent_s: float = Field(
        120.0,
        gt=0,
        description="An outbox that has not reported for this long is taken as lost: what it had"
        " not shipped counts as missing.",
    )
    # The largest body arrives in that time over 5 Mbit/s.
    receive_s: float = Field(
        120.0,
        gt=0,
        description="How long a request's body may take to arrive; then 408, and its connection "
        "is closed.",
    )
    # Clients are few: serving pods, runs, people.
    max_connections: int = Field(
        1_024,
        ge=1,
        description="Most open connections; above it requests get 503, health pages don't.",
    )
    # Behind an ingress or a node port all callers have one address or a few.
    address_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Part of max_connections that one address may have; 1 behind a single proxy.",
    )
    drain_s: float = Field(
        20.0, ge=0, description="How long running requests may take after SIGTERM."
    )


class ServingSettings(SettingsGroup):
    """Answers predictions."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on.")
    # Off: it takes 16 MiB of memory and a tenth of a second at the start.
    grpc_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Port to listen on for the Open Inference Protocol over gRPC; 0: none.",
    )
    url: str = Field("http://127.0.0.1:8080", description="Where clients find serving.")
    root_path: str = Field(
        "",
        pattern=r"^(/[A-Za-z0-9._~-]+)*$",
        description="Path prefix under which a proxy shows serving, e.g. /ml, whether or not the"
        " proxy strips it; none of serving's own (/v1, /v2, /models, /docs).",
    )
    # One process answers with one core. Each has its own copy of the models, and an outbox.
    workers: int = Field(
        1,
        ge=1,
        le=64,
        description="Serving processes, each with an outbox of its own; as many as there are"
        " cores. All limits of serving are per process; outbox.capacity_bytes is divided.",
    )
    models: Names = Field((), description="Pipelines that this process serves.")
    auth: Literal["bearer", "none"] = Field(
        "bearer", description="none accepts everybody who reaches the port."
    )
    cache: Path | None = Field(
        None, description="Folder that keeps the last good model of each pipeline."
    )
    # Whoever chooses less than a synced record for every answer does so knowingly.
    durability: Literal["sync", "interval", "replicated"] = Field(
        "sync",
        description="When an answer leaves. sync: its request is synced to disk, and outlives a"
        " loss of power. interval: it is written, and outlives the process; a loss of power takes"
        " the last durability_interval_ms. replicated: Kafka has acknowledged it too, and it"
        " outlives the loss of the node.",
    )
    # Ten syncs a second cost a slow disk little, and a person knows what a tenth of a second means.
    durability_interval_ms: int = Field(
        100,
        ge=1,
        le=10_000,
        description="With durability interval: within which time a written request is synced.",
    )
    # A new leader of a partition is found within seconds; clients seldom wait for longer.
    durability_wait_s: float = Field(
        5.0,
        gt=0,
        description="With durability replicated: how long an answer waits for Kafka; then 503, and"
        " new requests get 503 until Kafka has what is waiting.",
    )
    # A promotion is served within seconds; each pod costs the data API half a cheap request a
    # second.
    poll_s: float = Field(
        2.0, gt=0, description="How often the promotion record is read, with jitter."
    )
    # About half of `queue.max_record_bytes`: the record holds the answer too.
    max_body_bytes: int = Field(
        512 * 1024,
        ge=1024,
        description="Largest request body. With its answer it must fit one Kafka record.",
    )
    # One large request must not keep the small ones waiting for long.
    max_rows: int = Field(2_000, ge=1, description="Most rows in one request.")
    # Sixteen full batches. A longer queue would hold requests whose callers have given up.
    max_waiting: int = Field(
        1_024, ge=1, description="Most requests that wait for the model; above it 429."
    )
    # The load that serving was measured with: 64 connections that each wait for one answer.
    max_batch: int = Field(64, ge=1, description="Most requests in one model call.")
    # Off: how much a caller may ask for is the operator's to decide.
    rate_per_s: float = Field(
        0.0,
        ge=0,
        description="Requests a second per caller and process; above it 429. 0: no limit.",
    )
    # Sixteen full batches, as many as may wait.
    burst: int = Field(
        1_024,
        ge=1,
        description="Requests a caller may send at once before rate_per_s counts.",
    )
    # The largest body arrives in that time over 0.5 Mbit/s; a slow sender holds a connection no
    # longer.
    receive_s: float = Field(
        10.0,
        gt=0,
        description="How long a request's body may take to arrive; then 408, and its connection "
        "is closed.",
    )
    # Clients keep connections open between requests, so there are many more of them than requests.
    max_connections: int = Field(
        4_096,
        ge=1,
        description="Most open connections; above it requests get 503, health pages don't.",
    )
    # Behind an ingress or a node port all callers have one address or a few.
    address_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Part of max_connections that one address may have; 1 behind a single proxy.",
    )
    # Four times the interval at which an HPA looks; a new connection a minute costs nothing.
    connection_max_age_s: float = Field(
        60.0,
        ge=0,
        description="Age, with jitter, at which a connection is closed after an answer, so that "
        "clients which keep connections reach new processes too; 0: never.",
    )
    # A quick features.py takes microseconds; meanwhile the event loop answers nobody, once.
    features_s: float = Field(
        1.0,
        gt=0,
        description="How long features.py may take for one request or batch of requests; then 503.",
    )
    # The largest batch of a large model takes seconds. Whoever waits that long has given up.
    model_hung_s: float = Field(
        30.0,
        ge=0,
        description="How long one call of a model may take: then its requests get 503 and readiness"
        " fails; after as long again the process ends. 0: for ever.",
    )
    # Longer than any interrupt takes to arrive. What still stands is held by a call into C.
    stuck_s: float = Field(
        15.0,
        ge=0,
        description="How long the event loop may stand still before the process is ended; 0: for "
        "ever.",
    )
    drain_s: float = Field(
        20.0, ge=0, description="How long running requests may take after SIGTERM."
    )
    # Without a load balancer nobody needs it; the chart sets five seconds.
    linger_s: float = Field(
        0.0,
        ge=0,
        description="How long new requests are still taken after SIGTERM, until load balancers "
        "have noticed the failing readiness.",
    )

    @field_validator("root_path")
    @classmethod
    def _not_our_own(cls, path: str) -> str:
        """Below a prefix of serving's own a path would mean two things."""
        if path.lstrip("/").split("/")[0] in _OWN_PATHS:
            raise ValueError("begins as serving's own paths do; take another name, e.g. /ml")
        return path
