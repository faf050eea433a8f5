"""The data API's process: settings to collaborators to a server that runs until a signal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mlplatform.access import AccessList
from mlplatform.cluster.choose import open_cluster
from mlplatform.cluster.interface import Cluster
from mlplatform.dataapi.app import create_app
from mlplatform.dataapi.audit import AuditLog, RefusalLog
from mlplatform.dataapi.balance import Balance
from mlplatform.dataapi.collaborators import Background, Collaborators
from mlplatform.dataapi.datasets import Datasets
from mlplatform.dataapi.imports import Imports
from mlplatform.dataapi.labels import Labels
from mlplatform.dataapi.ledger import Ledger
from mlplatform.dataapi.limits import RateLimit
from mlplatform.dataapi.mirror import Mirror
from mlplatform.dataapi.models import Models
from mlplatform.dataapi.outboxes import Outboxes
from mlplatform.dataapi.pipelines import Pipelines
from mlplatform.dataapi.quarantine import Quarantine
from mlplatform.dataapi.training import Training
from mlplatform.database.datasets import DatasetStore
from mlplatform.database.pools import PrimaryPool, ReplicaPool
from mlplatform.registry.store import ModelStore
from mlplatform.settings import Settings, require
from mlplatform.web.server import Config
from mlplatform.web.server import run as serve


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then drain and close everything."""
    cluster = open_cluster(settings.cluster)
    registry = ModelStore(settings.registry.url, credentials=settings.registry.credentials)
    collaborators = build(settings, cluster=cluster, registry=registry)
    knobs = settings.dataapi
    serve(
        Config(
            create_app(collaborators),
            host=knobs.host,
            port=knobs.port,
            drain_s=knobs.drain_s,
            receive_s=knobs.receive_s,
            max_connections=knobs.max_connections,
        )
    )


def build(settings: Settings, *, cluster: Cluster, registry: ModelStore | None) -> Collaborators:
    """All collaborators.

    Connections open on first use. Without a registry there is no mirror (tests).
    """
    access = AccessList.load(Path(require(settings.access.tokens_file, "access", "tokens_file")))
    raw, warehouse, raw_replica, warehouse_replica = pools(settings)
    audit = AuditLog(warehouse)
    refusal_log = RefusalLog(audit)
    background: list[Background] = [refusal_log]
    if registry is not None:
        background.append(
            Mirror(warehouse, registry, interval_s=settings.dataapi.mirror_interval_s)
        )
    closing: list[Callable[[], None]] = [
        cluster.close,
        *(pool.close for pool in (raw, warehouse, raw_replica, warehouse_replica)),
    ]
    closing += [registry.close] if registry is not None else []
    return Collaborators(
        access=access,
        limit=RateLimit(rate_per_s=settings.dataapi.rate_per_s, burst=settings.dataapi.burst),
        max_body_bytes=settings.dataapi.max_body_bytes,
        stall_s=settings.dataapi.stall_s,
        refusal_log=refusal_log,
        datasets=Datasets(DatasetStore(warehouse_replica, raw_replica), warehouse, audit),
        imports=Imports(raw, warehouse, audit),
        labels=Labels(raw, warehouse, audit),
        quarantine=Quarantine(warehouse, audit),
        pipelines=Pipelines(raw, warehouse, audit),
        training=Training(warehouse, audit, cluster),
        models=Models(warehouse, audit),
        outboxes=Outboxes(raw, audit),
        balance=Balance(
            raw, raw_replica, warehouse_replica, audit, silent_s=settings.dataapi.outbox_silent_s
        ),
        ledger=Ledger(warehouse, audit),
        ready=_ready(raw, warehouse),
        close=_all(closing),
        background=tuple(background),
    )


def pools(settings: Settings) -> tuple[PrimaryPool, PrimaryPool, ReplicaPool, ReplicaPool]:
    """Pools of raw and warehouse on the primary, then raw and warehouse on the standby."""
    postgres = settings.postgres
    return (
        PrimaryPool(require(postgres.raw_dsn, "postgres", "raw_dsn"), postgres, name="raw"),
        PrimaryPool(
            require(postgres.warehouse_dsn, "postgres", "warehouse_dsn"), postgres, name="warehouse"
        ),
        ReplicaPool(
            require(postgres.raw_replica_dsn, "postgres", "raw_replica_dsn"),
            postgres,
            name="raw-replica",
        ),
        ReplicaPool(
            require(postgres.warehouse_replica_dsn, "postgres", "warehouse_replica_dsn"),
            postgres,
            name="warehouse-replica",
        ),
    )


def _ready(*primaries: PrimaryPool) -> Callable[[], None]:
    """Ready: both primaries answer.

    A standby that is away fails datasets only, each with its own clear answer.
    """

    def ready() -> None:
        for pool in primaries:
            with pool.transaction() as connection:
                connection.execute("SELECT 1")

    return ready


def _all(closing: Sequence[Callable[[], None]]) -> Callable[[], None]:
    def close() -> None:
        for one in closing:
            one()

    return close
