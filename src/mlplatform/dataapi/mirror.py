"""The mirror: MLflow's aliases follow the promotion record.

So people see in MLflow what serves. It compares both every few seconds and repairs what differs.
Nothing waits for it: promotions happen in the database, and MLflow may be away for as long as it
likes. Several data APIs may mirror at once; they write the same.
"""

from __future__ import annotations

from threading import Event, Thread

from mlplatform.contracts.promotion import ModelStatus, ModelVersion
from mlplatform.dataapi import models
from mlplatform.database import promotions
from mlplatform.database.pools import PrimaryPool
from mlplatform.errors import PlatformError, TryLater
from mlplatform.loop import jittered
from mlplatform.registry.store import ModelStore
from mlplatform.telemetry import counter, logger

ALIASES = ("champion", "candidate", "previous")
"""The aliases that are ours; any other is left alone."""

_log = logger("mirror")


class Mirror:
    """A thread that mirrors; `once` is one round of it."""

    def __init__(self, warehouse: PrimaryPool, store: ModelStore, *, interval_s: float) -> None:
        self._warehouse = warehouse
        self._store = store
        self._interval_s = interval_s
        # pipeline -> what was logged: a long outage is one line, not one per round
        self._failing: dict[str, str] = {}
        self._ended = Event()
        self._thread = Thread(target=self._run, name="mirror", daemon=True)

    def start(self) -> None:
        """Start to mirror."""
        self._thread.start()

    def stop(self) -> None:
        """End after the present round."""
        self._ended.set()
        self._thread.join()

    def once(self) -> int:
        """Compare and repair all pipelines that were ever promoted.

        Returns how many could not be mirrored.
        """
        failed = 0
        try:
            with self._warehouse.transaction() as connection:
                statuses = [
                    models.status(connection, name)
                    for name in promotions.promoted_pipelines(connection)
                ]
        except TryLater as error:
            return self._failed("", error)
        for status in statuses:
            try:
                self._equalise(status)
            except PlatformError as error:
                failed += self._failed(status.pipeline, error)
            else:
                self._failing.pop(status.pipeline, None)
        return failed

    def _equalise(self, status: ModelStatus) -> None:
        due, present = due_aliases(status), self._store.aliases(status.pipeline)
        for alias, version in due.items():
            if present.get(alias) != version:
                self._store.set_alias(status.pipeline, alias, version)
                _log.info("alias set", pipeline=status.pipeline, alias=alias, version=version)
        for alias in ALIASES:
            if alias in present and alias not in due:
                self._store.delete_alias(status.pipeline, alias)
                _log.info("alias removed", pipeline=status.pipeline, alias=alias)
        with self._warehouse.transaction() as connection:
            promotions.mirrored(connection, status.pipeline, status.record)

    def _failed(self, pipeline: str, error: PlatformError) -> int:
        counter("dataapi_mirror_failures_total").inc()
        if self._failing.get(pipeline) != type(error).__name__:
            self._failing[pipeline] = type(error).__name__
            _log.warning("promotion record not mirrored", pipeline=pipeline, error=str(error))
        return 1

    def _run(self) -> None:
        while not self._ended.wait(jittered(self._interval_s)):
            self.once()


def due_aliases(status: ModelStatus) -> dict[str, str]:
    """The aliases that a model should have."""
    versions: dict[str, ModelVersion | None] = {
        "champion": status.champion,
        "candidate": status.candidate,
        "previous": status.previous,
    }
    return {alias: version.version for alias, version in versions.items() if version is not None}
