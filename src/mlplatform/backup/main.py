"""Snapshots of the registry: create, verify, restore. Each is one run that ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from mlplatform.backup import snapshot
from mlplatform.backup.create import Sources, create
from mlplatform.backup.restore import Restored, restore
from mlplatform.backup.retention import prune
from mlplatform.backup.snapshot import Index
from mlplatform.backup.verify import verify
from mlplatform.database.registry_dump import RegistryRows
from mlplatform.errors import IntegrityFailure, TryLater
from mlplatform.registry.store import ModelStore
from mlplatform.retry import retry
from mlplatform.settings import Settings, require
from mlplatform.telemetry import logger

_log = logger("backup")


WAIT_S = 120.0
"""How long a scheduled snapshot waits for its database and MLflow. A new pod is let through by
network policies only after a moment, and a failover takes a minute; a snapshot that gives up at
once would wait a day for its next turn."""


REACH_S = 20.0
"""How long a restore waits until it reaches both: its pod may be a second old."""


def run(settings: Settings) -> None:
    """Create a snapshot and read it again: what the CronJob does.

    See `create_snapshot` for what it raises.
    """
    retry(lambda: create_snapshot(settings), seconds=WAIT_S, on_retry=_log_wait)


def _log_wait(error: TryLater) -> None:
    _log.warning("waiting for Postgres and MLflow", error=str(error))


def _reachable(sources: Sources) -> None:
    sources.store.ping()
    sources.mlflow.occupied()
    sources.control.versions()


def create_snapshot(settings: Settings) -> Path:
    """A new, verified snapshot; then old ones are removed.

    Raises IntegrityFailure when it can't be proven, or, after all is done, when a stored model no
    longer matches its manifest that did in the snapshot before. Another try would only make another
    snapshot. Damage that an earlier snapshot reported is logged.
    """
    with _sources(settings, settings.postgres.warehouse_dsn, "warehouse_dsn") as sources:
        made = create(sources, _folder(settings))
    verify(made.path)
    prune(_folder(settings), settings.backup.keep)
    if made.newly:
        raise IntegrityFailure(
            f"{made.path.name} was made, but stored models are damaged: {'; '.join(made.newly)}",
            fix="an older snapshot may hold a good copy; the newest one that does is not removed",
        )
    return made.path


def verify_snapshot(settings: Settings, name: str | None = None) -> tuple[Path, Index]:
    """Hash that snapshot (default: the newest) again.

    Raises UnknownName, or IntegrityFailure that names the files.
    """
    path = snapshot.find(_folder(settings), name)
    return path, verify(path)


def restore_snapshot(
    settings: Settings,
    name: str | None = None,
    *,
    force: bool = False,
    accept_damaged: bool = False,
) -> Restored:
    """Bring that snapshot (default: the newest) back.

    Needs MLflow's own database role, and the warehouse's owner for the promotion record.
    """
    path = snapshot.find(_folder(settings), name)
    with _sources(
        settings, settings.postgres.owner_warehouse_dsn, "owner_warehouse_dsn"
    ) as sources:
        retry(lambda: _reachable(sources), seconds=REACH_S, on_retry=_log_wait)
        return restore(sources, path, force=force, accept_damaged=accept_damaged)


@contextmanager
def _sources(settings: Settings, warehouse: SecretStr | None, field: str) -> Iterator[Sources]:
    mlflow_dsn = require(settings.postgres.mlflow_dsn, "postgres", "mlflow_dsn")
    control_dsn = require(warehouse, "postgres", field)
    with ModelStore(
        settings.registry.url, credentials=settings.registry.credentials, timeout_s=120.0
    ) as store:
        yield Sources(
            mlflow=RegistryRows(mlflow_dsn, settings.postgres, name="mlplatform-backup"),
            control=RegistryRows(control_dsn, settings.postgres, name="mlplatform-backup"),
            store=store,
        )


def _folder(settings: Settings) -> Path:
    return Path(require(settings.backup.folder, "backup", "folder"))
