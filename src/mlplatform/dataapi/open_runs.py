"""Runs whose process vanished, or was never started: their records are brought to an end.

A run lives as long as it holds its lease. One that has none any more can't change anything, so its
record ends once the cluster has no living Job of it either. Several data APIs may look at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Event, Thread

from mlplatform.cluster.interface import Cluster
from mlplatform.cluster.job import ClusterJob
from mlplatform.contracts.run import Run
from mlplatform.dataapi.run_ending import ending
from mlplatform.dataapi.run_submission import submit
from mlplatform.database import runs
from mlplatform.database.pools import PrimaryPool
from mlplatform.database.run_rows import OpenRun
from mlplatform.errors import PlatformError, Refused, TryLater, UnknownName
from mlplatform.loop import jittered
from mlplatform.telemetry import logger

INTERVAL_S = 5.0
UNSTARTED_S = 15.0
"""After which a run that was recorded is started: the call that recorded it does so at once."""
MISSING_S = 60.0
"""How long a Job may be missing that the cluster has taken: lists may be a moment late."""
_log = logger("runs")


class OpenRuns:
    """A thread that looks after open runs; `once` is one round of it."""

    def __init__(self, warehouse: PrimaryPool, cluster: Cluster) -> None:
        self._warehouse = warehouse
        self._cluster = cluster
        self._failing = ""  # what was logged: a long outage is one line
        self._ended = Event()
        self._thread = Thread(target=self._run, name="open-runs", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End after the present round."""
        self._ended.set()
        self._thread.join()

    def once(self) -> None:
        """Look at every open run once. Raises TryLater when database or cluster are away."""
        with self._warehouse.transaction() as connection:
            found = [each for each in runs.open_runs(connection) if not each.holds]
        jobs = {name: self._jobs(name) for name in {each.run.pipeline for each in found}}
        for each in found:
            self._inspect(each, jobs[each.run.pipeline])

    def _jobs(self, pipeline: str) -> Mapping[str, ClusterJob]:
        return {job.name: job for job in self._cluster.jobs(pipeline)}

    def _inspect(self, found: OpenRun, jobs: Mapping[str, ClusterJob]) -> None:
        run, job = found.run, jobs.get(found.run.job)
        if job is not None and job.lives:
            if run.submitted_at is None:
                self._note_submitted(run)
        elif job is not None or run.state == "running":
            self._end(run, job)
        elif run.submitted_at is not None:
            if found.waited_s > MISSING_S:
                self._end(run, None)
        elif found.waited_s > UNSTARTED_S:
            self._start(run)

    def _start(self, run: Run) -> None:
        """Start a run that a call has recorded and not started.

        Only one with a key: who asked without one may have asked again.
        """
        if not run.key:
            self._end(run, None)
            return
        try:
            submit(self._warehouse, self._cluster, run)
        except (Refused, UnknownName) as error:
            _log.warning("run not started", run=run.id, pipeline=run.pipeline, error=str(error))
            return
        _log.info("run started late", run=run.id, pipeline=run.pipeline)

    def _note_submitted(self, run: Run) -> None:
        with self._warehouse.transaction() as connection:
            runs.submitted(connection, run.id)

    def _end(self, run: Run, job: ClusterJob | None) -> None:
        state, failure = ending(run, job)
        with self._warehouse.transaction() as connection:
            # Its last report, or its lease, may have come since it was looked at.
            latest = {each.run.id: each for each in runs.open_runs(connection)}.get(run.id)
            if latest is None or latest.holds or latest.run.changes != run.changes:
                return
            ended = runs.end(connection, run.id, state, failure=failure)
        if ended is not None:
            _log.warning("run ended from outside", run=run.id, state=ended.state)

    def _run(self) -> None:
        while not self._ended.wait(jittered(INTERVAL_S)):
            try:
                self.once()
            except TryLater as error:
                if self._failing != type(error).__name__:
                    self._failing = type(error).__name__
                    _log.warning("open runs are not looked after", error=str(error))
            except PlatformError as error:
                _log.error("open runs are not looked after", error=str(error))
            else:
                self._failing = ""
