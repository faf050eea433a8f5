"""Trainings as child processes: their own environment, one at a time, and no orphan."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlplatform.cluster.local import LocalCluster
from mlplatform.errors import LeaseHeld, SettingsError

RUN = "0198c0ffee" + "0" * 12 + "1234567890"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], LocalCluster]]:
    """Clusters whose trainings run a Python script."""
    clusters: list[LocalCluster] = []
    environment = tmp_path / "environment.json"
    environment.write_text(json.dumps({"ONLY": "this"}))

    def begin(script: str) -> LocalCluster:
        clusters.append(
            LocalCluster(environment, tmp_path / "logs", argv=(sys.executable, "-I", "-c", script))
        )
        return clusters[-1]

    yield begin
    for cluster in clusters:
        cluster.close()


def _ended(cluster: LocalCluster) -> str:
    deadline = time.monotonic() + 10
    while (run := cluster.jobs("flowers")[0]).state == "running":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return run.state


def test_a_run_has_its_own_environment_and_log(
    start: Callable[[str], LocalCluster], tmp_path: Path
) -> None:
    """The child has the file's variables and none of ours; its log and its end are seen."""
    cluster = start("import os, sys; print(dict(os.environ), sys.argv[1:])")
    name = cluster.job_of("flowers", RUN)
    cluster.start_training("flowers", name, reason="test")

    assert "succeeded" == _ended(cluster)
    log = (tmp_path / "logs" / f"trainer-{name}.log").read_text()
    assert "'ONLY': 'this'" in log
    assert os.environ["PATH"] not in log
    assert f"['flowers', '--job={name}', '--why=test']" in log


def test_a_failed_run_is_seen_as_failed(start: Callable[[str], LocalCluster]) -> None:
    """An exit code other than 0 is a failure."""
    cluster = start("raise SystemExit(2)")
    cluster.start_training("flowers", "flowers-1", reason="test")

    assert "failed" == _ended(cluster)


def test_a_failed_run_says_why(start: Callable[[str], LocalCluster]) -> None:
    """The last error of its log, whatever came after it; a run that succeeds says nothing."""
    error = {"level": "error", "error": "gates: roc_auc 0.6 is below 0.9", "event": "it failed"}
    cluster = start(f"print({json.dumps(error)!r}); print('bye'); raise SystemExit(1)")
    cluster.start_training("flowers", "flowers-1", reason="test")
    _ended(cluster)

    assert "gates: roc_auc 0.6 is below 0.9" == cluster.jobs("flowers")[0].failure


def test_one_run_per_pipeline_and_no_orphans(start: Callable[[str], LocalCluster]) -> None:
    """A second run of a pipeline is refused, another pipeline's is not; closing ends both."""
    cluster = start("import time; time.sleep(60)")
    cluster.start_training("flowers", "flowers-1", reason="test")
    cluster.start_training("trees", "trees-1", reason="test")
    with pytest.raises(LeaseHeld, match="still running"):
        cluster.start_training("flowers", "flowers-2", reason="test")
    cluster.close()

    assert ["failed", "failed"] == [cluster.jobs(name)[0].state for name in ("flowers", "trees")]


def test_a_name_is_started_once(start: Callable[[str], LocalCluster]) -> None:
    """However often it is asked for, also after its end; two runs have two names."""
    cluster = start("pass")
    cluster.start_training("flowers", "flowers-1", reason="test")
    cluster.start_training("flowers", "flowers-1", reason="test")
    _ended(cluster)
    cluster.start_training("flowers", "flowers-1", reason="test")

    assert ["flowers-1"] == [job.name for job in cluster.jobs("flowers")]
    assert "flowers-1234567890" == cluster.job_of("flowers", RUN)


def test_a_run_outlives_the_thread_that_asked_for_it(start: Callable[[str], LocalCluster]) -> None:
    """A worker thread that ends does not end the run (the kernel's death signal counts threads)."""
    cluster = start("import time; time.sleep(1)")
    thread = threading.Thread(
        target=lambda: cluster.start_training("flowers", "flowers-1", reason="test")
    )
    thread.start()
    thread.join()

    assert "succeeded" == _ended(cluster)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the death signal is Linux only")
def test_the_kernel_ends_a_run_whose_parent_was_killed(tmp_path: Path) -> None:
    """A training does not outlive a data API that was killed with SIGKILL."""
    script = """
import json, os, pathlib, signal, sys, time
from mlplatform.cluster.local import LocalCluster
folder = pathlib.Path(sys.argv[1])
(folder / "environment.json").write_text(json.dumps({}))
child = (
    "import os, time; "
    "print(os.getpid(), flush=True); time.sleep(60)"
)
argv = (sys.executable, "-I", "-c", child)
cluster = LocalCluster(folder / "environment.json", folder, argv=argv)
name = "flowers-1"
cluster.start_training("flowers", name, reason="test")
while not (said := (folder / f"trainer-{name}.log").read_text()):
    time.sleep(0.01)
(folder / "pid").write_text(said)
os.kill(os.getpid(), signal.SIGKILL)
"""
    os.waitpid(
        os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, "-c", script, str(tmp_path)]), 0
    )
    pid, deadline = int((tmp_path / "pid").read_text()), time.monotonic() + 10
    while _alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_environment_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    """A missing file, or values that are no texts, are refused before anything starts."""
    cluster = LocalCluster(tmp_path / "nothing.json", tmp_path)
    with pytest.raises(SettingsError, match=r"nothing\.json"):
        cluster.start_training("flowers", "flowers-1", reason="test")
    (tmp_path / "nothing.json").write_text('{"A": 1}')
    with pytest.raises(SettingsError, match="object of strings"):
        cluster.start_training("flowers", "flowers-1", reason="test")

    cluster.close()
    assert [] == list(cluster.jobs("flowers"))


def _alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
