"""The data API's process: settings to collaborators to a server that runs until a signal."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from mlplatform.access import AccessList
from mlplatform.cluster.choose import open_cluster
from mlplatform.cluster.interface import Cluster
from mlplatform.dataapi.app import create_app
from mlplatform.dataapi.audit import AuditLog
from mlplatform.dataapi.balance import Balance
from mlplatform.dataapi.collaborators import Collaborators
from mlplatform.dataapi.corrections import Corrections
from mlplatform.dataapi.datasets import Datasets
from mlplatform.dataapi.dead_letters import DeadLetters
from mlplatform.dataapi.evidence import StoredEvidence
from mlplatform.dataapi.forget import Forget
from mlplatform.dataapi.gathered import GatheredLog
from mlplatform.dataapi.imports import Imports
from mlplatform.dataapi.labels import Labels
from mlplatform.dataapi.ledger import Ledger
from mlplatform.dataapi.mirror import Mirror
from mlplatform.dataapi.models import Models
from mlplatform.dataapi.moves import Moves
from mlplatform.dataapi.open_runs import OpenRuns
from mlplatform.dataapi.outboxes import Outboxes
from mlplatform.dataapi.pipelines import Pipelines
from mlplatform.dataapi.pools import Pools
from mlplatform.dataapi.quarantine import Quarantine
from mlplatform.dataapi.queue_offsets import QueueOffsets
from mlplatform.dataapi.readiness import Readiness
from mlplatform.dataapi.removals import Removals
from mlplatform.dataapi.removed_runs import RemovedRuns
from mlplatform.dataapi.retention import Retention
from mlplatform.dataapi.run_tokens import RunTokens
from mlplatform.dataapi.runs import Runs
from mlplatform.dataapi.training import Training
from mlplatform.database.datasets import DatasetStore
from mlplatform.registry.store import ModelStore
from mlplatform.settings import Settings, require
from mlplatform.web.rate_limit import RateLimit
from mlplatform.web.server import Config
from mlplatform.web.watched_server import run as serve


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then drain and close everything."""
    cluster = open_cluster(settings.cluster)
    registry = ModelStore(settings.registry.url, credentials=settings.registry.credentials)
    collaborators = build(settings, cluster=cluster, registry=registry)
    dataapi = settings.dataapi
    serve(
        Config(
            create_app(collaborators),
            host=dataapi.host,
            port=dataapi.port,
            drain_s=dataapi.drain_s,
            receive_s=dataapi.receive_s,
            max_connections=dataapi.max_connections,
            address_share=dataapi.address_share,
        ),
        stuck_s=dataapi.stuck_s,
    )


def build(settings: Settings, *, cluster: Cluster, registry: ModelStore) -> Collaborators:
    """All collaborators. Connections open on first use."""
    tokens = require(settings.access.tokens_file, "access", "tokens_file")
    dataapi, pools, closing = settings.dataapi, Pools.open(settings.postgres), ExitStack()
    raw, warehouse, audit = pools.raw, pools.warehouse, AuditLog(pools.warehouse)
    key = settings.redaction.key
    gathered, readiness = GatheredLog(audit), Readiness(pools)
    store = DatasetStore(pools.warehouse_replica, pools.raw_replica, pools.more_raw_replicas)
    mirror = Mirror(warehouse, registry, interval_s=dataapi.mirror_interval_s)
    removals = Removals(pools.raws, warehouse, RemovedRuns(warehouse, registry, cluster))
    for end in (registry.close, pools.close, cluster.close):
        closing.callback(end)
    return Collaborators(
        access=AccessList.load(Path(tokens)),
        run_tokens=RunTokens(warehouse),
        limit=RateLimit(rate_per_s=dataapi.rate_per_s, burst=dataapi.burst),
        max_body_bytes=dataapi.max_body_bytes,
        stall_s=dataapi.stall_s,
        gathered=gathered,
        datasets=Datasets(store, warehouse, audit),
        imports=Imports(raw, warehouse, audit, key),
        labels=Labels(pools.raws, warehouse, audit),
        quarantine=Quarantine(warehouse, audit),
        corrections=Corrections(pools.raws, warehouse, audit, key),
        dead_letters=DeadLetters(pools.raws, warehouse, audit),
        pipelines=Pipelines(pools.raws, warehouse, audit, settings.retention, key),
        training=Training(warehouse, audit),
        runs=Runs(warehouse, audit, cluster),
        models=Models(warehouse, audit, registry),
        outboxes=Outboxes(raw, audit, more_raw=pools.more_raw),
        queue_offsets=QueueOffsets(pools.raws, audit),
        balance=Balance(pools, audit, silent_s=dataapi.outbox_silent_s),
        evidence=StoredEvidence(pools.raw_replicas, audit),
        ledger=Ledger(warehouse, audit, gathered),
        retention=Retention(pools, audit, removals, settings.retention),
        forget=Forget(pools.raws, warehouse, audit, key),
        ready=readiness.ready,
        close=closing.close,
        background=(gathered, readiness, mirror, Moves(pools), OpenRuns(warehouse, cluster)),
    )
