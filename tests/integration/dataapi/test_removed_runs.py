"""Files of runs that came to nothing, at a real MLflow."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mlplatform.cluster.local import LocalCluster
from mlplatform.dataapi.removed_runs import RemovedRuns
from mlplatform.database.pools import PrimaryPool
from mlplatform.registry.publish import Publisher
from mlplatform.registry.store import ModelStore

NAME = "manual-one"


@pytest.fixture
def later() -> datetime:
    """A moment before which all runs of a test began."""
    return datetime.now(UTC) + timedelta(hours=1)


def test_files_of_rejected_versions_and_failed_runs_go(
    runs: Any, pool: PrimaryPool, tmp_path: Path, later: datetime
) -> None:
    """Those of the champion stay; so do the parameters of all. A second call finds nothing."""
    with ModelStore(runs.mlflow) as store:  # other tests use this server too
        others = {run["run_id"] for run in store.runs(NAME, before=later)}
    runs.verified(NAME, "1", "2")
    runs.act("run of manual-one", NAME, "propose", "2")
    runs.act("approver", NAME, "approve", "2")
    runs.act("approver", NAME, "reject", "1")
    failed = Publisher(runs.mlflow).start(NAME, name="failed", tags={"why": "test"})
    (tmp_path / "some.txt").write_text("some")
    failed.files(tmp_path, "work")
    with ModelStore(runs.mlflow) as store:
        removed = RemovedRuns(pool, store, LocalCluster(tmp_path / "x", tmp_path / "logs"))
        rejected, champion = (runs.facts(NAME, number)["artifacts"] for number in "12")
        young = removed.files(NAME, datetime.now(UTC) - timedelta(hours=1), remove=True)
        said = removed.files(NAME, later, remove=False)
        before = store.tree(rejected)
        done = removed.files(NAME, later, remove=True)
        again = removed.files(NAME, later, remove=True)
        left = [store.tree(path) for path in (rejected, champion)]
        known = {run["run_id"] for run in store.runs(NAME, before=later)}

    gone = {runs.facts(NAME, "1")["run_id"], failed.id}
    assert before
    assert gone == set(said.names) - others == set(done.names) - others
    assert (said.items, said.size) == (done.items, done.size)
    assert [0, 0] == [young.items, again.items]
    assert [] == left[0]
    assert left[1]
    assert gone <= known


def test_logs_of_trainings_go_by_their_last_line(tmp_path: Path) -> None:
    """Of those in the folder of logs, and no others."""
    logs = tmp_path / "logs"
    logs.mkdir()
    for name, days in (("trainer-a-1.log", 40), ("trainer-a-2.log", 1), ("dataapi.log", 40)):
        (logs / name).write_text("x" * 10)
        moment = time.time() - days * 86_400
        os.utime(logs / name, (moment, moment))
    cluster = LocalCluster(tmp_path / "x", logs)
    before = datetime.now(UTC) - timedelta(days=30)
    said = cluster.remove_logs(before, remove=False)
    done = cluster.remove_logs(before, remove=True)
    cluster.close()

    assert (1, 10) == said == done
    assert ["dataapi.log", "trainer-a-2.log"] == sorted(path.name for path in logs.iterdir())
