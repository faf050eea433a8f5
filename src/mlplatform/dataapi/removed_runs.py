"""Records of runs, files of those that came to nothing, and logs of trainings on this machine.

A run keeps its parameters, metrics and tags; what takes room are its files.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from mlplatform.cluster.interface import Cluster
from mlplatform.contracts.promotion import ModelVersion
from mlplatform.contracts.removed import Removed
from mlplatform.database import promotions, retention, runs
from mlplatform.database.pools import PrimaryPool
from mlplatform.registry.store import ModelStore

MOST = 1_000
"""Records a call."""
BUSY_S = 10.0
"""Seconds after which a call has done enough: each file is a request to MLflow."""


class RemovedRuns:
    """Removes, or with `remove` false counts all that would be removed."""

    def __init__(self, warehouse: PrimaryPool, registry: ModelStore, cluster: Cluster) -> None:
        self._warehouse = warehouse
        self._registry = registry
        self._cluster = cluster

    def past(self, pipeline: str, before: datetime, *, remove: bool) -> Removed:
        """Records of runs that ended before a moment, and files of those that came to nothing.

        Of versions that may serve or have served both stay.
        """
        done = self.files(pipeline, before, remove=remove)
        with self._warehouse.transaction() as warehouse:
            found = runs.remove(warehouse, pipeline, before, most=MOST, remove=remove)
        records = Removed(kind="runs", pipeline=pipeline, items=found.items, size=found.size)
        more = done.more or (remove and found.items == MOST)
        return done.plus(records).model_copy(update={"more": more})

    def files(self, pipeline: str, before: datetime, *, remove: bool) -> Removed:
        """Files of runs begun before a moment: of rejected versions, and of those that failed.

        A run has failed when no version came of it, or one that was never proposed.
        """
        removed = Removed(kind="runs", pipeline=pipeline)
        until = time.monotonic() + BUSY_S
        for run in self._past(pipeline, before):
            root = urlsplit(run["artifact_uri"]).path.lstrip("/")
            sizes = self._registry.sizes(root)
            if remove:
                for name in sizes:
                    self._registry.remove(name)
                with self._warehouse.transaction() as warehouse:
                    retention.note_run(warehouse, pipeline, run["run_id"])
            size, names = sum(sizes.values()), [run["run_id"]]
            one = Removed(kind="runs", pipeline=pipeline, items=1, size=size, names=names)
            removed = removed.plus(one)
            if remove and time.monotonic() > until:
                return removed.model_copy(update={"more": True})
        return removed

    def logs(self, before: datetime, *, remove: bool) -> Removed:
        """Logs of trainings that ended before a moment, where they are this machine's files."""
        files, size = self._cluster.remove_logs(before, remove=remove)
        return Removed(kind="logs", pipeline=None, items=files, size=size)

    def _past(self, pipeline: str, before: datetime) -> list[Mapping[str, Any]]:
        with self._warehouse.transaction() as warehouse:
            gone = retention.removed_runs(warehouse, pipeline)
            versions = promotions.versions(warehouse, pipeline)
        kept = {each.run_id for each in versions if not _came_to_nothing(each, before)}
        return [
            run
            for run in self._registry.runs(pipeline, before=before)
            if run["run_id"] not in gone | kept
            and urlsplit(run["artifact_uri"]).scheme == "mlflow-artifacts"
        ]


def _came_to_nothing(version: ModelVersion, before: datetime) -> bool:
    return version.state in ("rejected", "registered", "verified") and version.created_at < before
