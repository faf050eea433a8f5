"""The trainer as the process that a Job starts."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from trainer_process import start

from mlplatform.client.dataapi import DataApi
from mlplatform.errors import Unauthenticated

SPY = """
import json, os, pathlib, re

def holds(data, head, tail):
    # In two parts: what is searched for must not stand whole in the memory that is searched.
    return any(data[found.end():].startswith(tail) for found in re.finditer(head, data))

def memory(head, tail):
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as file:
        for line in maps:
            first, last = (int(word, 16) for word in line.split()[0].split("-"))
            if "r" in line.split()[1] and "[v" not in line:
                file.seek(first)
                try:
                    if holds(file.read(last - first), head, tail):
                        return True
                except OSError:
                    continue
    return False

def seen(head, tail):
    environment = json.dumps(dict(os.environ)).encode()
    files = [pathlib.Path("/proc/self", name).read_bytes() for name in ("environ", "cmdline")]
    return [holds(data, head, tail) for data in (environment, *files)] + [memory(head, tail)]

found = {{"trainer": seen(b"token-tr", b"ainer"), "run": seen(b"run-0[0-9a-f]{{31}}", b"-")}}
found["token"] = os.environ["MLPLATFORM_DATAAPI__TOKEN"]
pathlib.Path({mark!r}).write_text(json.dumps(found))
raise ValueError("seen enough")
"""
SLOW = """
import pathlib, time

def build(parameters):
    pathlib.Path({mark!r}).touch()
    time.sleep(60)
"""
HOLDS = """
def build(parameters):
    sum(range(10**15))
"""
SWALLOWS = """
def build(parameters):
    while True:
        try:
            while True:
                pass
        except:
            pass
"""
DEADLINE_S = 120.0


def test_a_run_prints_its_summary_and_logs_json(bank: Any, tmp_path: Path) -> None:
    """The process says in plain words what it did; its log is JSON lines with pipeline and run.

    Its record has every step, what came of it, and the same run as receipt and MLflow.
    """
    child = start(bank.settings, bank.name, tmp_path / "log", words=("--job", "a-job"))
    out, _ = child.communicate(timeout=DEADLINE_S)
    lines = (tmp_path / "log").read_text().splitlines()
    run = bank.run("a-job")

    assert 0 == child.returncode, lines[-5:]
    assert out.decode().startswith(
        f"{bank.name} version 1 is champion (onnx, 297 rows for training, 103 held out)"
    )
    assert all(line.startswith("{") for line in lines), [
        line for line in lines if not line.startswith("{")
    ]
    assert any(
        '"step": "export"' in line and f'"pipeline": "{bank.name}"' in line and '"run_id"' in line
        for line in lines
    )
    (version,) = bank.versions()
    assert ("succeeded", 0, "champion", "test") == (
        run.state, run.exit_code, run.outcome, run.reason,
    )  # fmt: skip
    assert ("1", version.run_id, version.commit, version.receipt_id, version.gate_digest) == (
        run.version, run.mlflow_run, run.commit, run.receipt, run.gate_digest,
    )  # fmt: skip
    assert ("pin", "propose") == (run.steps[0].step, run.step)
    assert all(step.seconds is not None for step in run.steps)
    assert [True, True, True] == [verdict.passed for verdict in run.verdicts]


def test_sigterm_ends_a_run_in_order(bank: Any, tmp_path: Path) -> None:
    """A run that is ended in the author's code is KILLED in MLflow; the next can begin at once."""
    mark = tmp_path / "mark"
    bank.apply(model=SLOW.format(mark=str(mark)))
    child = start(bank.settings, bank.name, tmp_path / "log", words=("--job", "a-job"))
    deadline = time.monotonic() + DEADLINE_S
    while not mark.exists():
        assert time.monotonic() < deadline
        assert child.poll() is None, (tmp_path / "log").read_text()[-2000:]
        time.sleep(0.02)
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=DEADLINE_S)

    run = bank.run("a-job")

    assert 6 == child.returncode
    assert ("cancelled", 6, "tune") == (run.state, run.exit_code, run.step)
    assert ["KILLED"] == [run["info"]["status"] for run in bank.runs()]
    bank.hold_lease("the next one")  # is free


@pytest.mark.parametrize("model", [HOLDS, SWALLOWS], ids=["holds", "swallows"])
def test_a_run_that_can_not_be_interrupted_is_ended(bank: Any, tmp_path: Path, model: str) -> None:
    """After timeout_s and a grace, with the reason in its log and in MLflow.

    So is the lease, which nobody renews any more.
    """
    bank.apply(model=model, timeout_s=10)
    words = ("--job", "a-job")
    child = start(bank.settings, bank.name, tmp_path / "log", words=words, TRAINER__GRACE_S="1")
    child.communicate(timeout=DEADLINE_S)
    log = (tmp_path / "log").read_text()
    (run,) = bank.runs()
    tags, record = {tag["key"]: tag["value"] for tag in run["data"]["tags"]}, bank.run("a-job")
    reason = "the run took longer than timeout_s of its pipeline.yaml, and could not be interrupted"

    assert -signal.SIGKILL == child.returncode, log[-2000:]
    assert ("FAILED", reason) == (run["info"]["status"], tags["failure"])
    assert f'"error": "{reason}"' in log
    assert ("failed", 6, reason) == (record.state, record.exit_code, record.failure.message)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_the_code_of_a_pipeline_does_not_find_the_trainers_token(bank: Any, tmp_path: Path) -> None:
    """model.py finds the token of its own run, dead afterwards, and no other.

    Not in the environment, nor in what the kernel keeps of it, nor anywhere in the memory.
    """
    mark = tmp_path / "mark"
    bank.apply(model=SPY.format(mark=str(mark)))
    start(bank.settings, bank.name, tmp_path / "log").communicate(timeout=DEADLINE_S)
    found = json.loads(mark.read_text())

    assert [True, True, False, True] == found["run"]
    assert [False, False, False, False] == found["trainer"]
    with (
        DataApi(bank.settings.dataapi.url, SecretStr(found["token"])) as late,
        pytest.raises(Unauthenticated, match="no run has this token"),
    ):
        late.pipeline(bank.name)


def test_sigterm_before_the_run_has_begun_gives_the_lease_back(bank: Any, tmp_path: Path) -> None:
    """However early it comes: the next training need not wait until the lease expires."""
    child = start(bank.settings, bank.name, tmp_path / "log")
    deadline = time.monotonic() + DEADLINE_S
    while bank.is_free():
        assert time.monotonic() < deadline
        assert child.poll() is None, (tmp_path / "log").read_text()[-2000:]
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=DEADLINE_S)

    assert 6 == child.returncode
    assert bank.is_free()


def test_a_cancelled_run_ends_itself(bank: Any, tmp_path: Path) -> None:
    """It hears of it when it renews its lease; its record says by whom."""
    mark = tmp_path / "mark"
    bank.apply(model=SLOW.format(mark=str(mark)))
    child = start(bank.settings, bank.name, tmp_path / "log", words=("--job", "a-job"))
    deadline = time.monotonic() + DEADLINE_S
    while not mark.exists():
        assert time.monotonic() < deadline
        assert child.poll() is None, (tmp_path / "log").read_text()[-2000:]
        time.sleep(0.02)
    with bank.client("admin") as api:
        api.cancel_run(bank.name, "a-job")
    child.communicate(timeout=DEADLINE_S)
    run = bank.run("a-job")

    assert (6, "cancelled", "admin") == (child.returncode, run.state, run.cancelled_by)
    assert bank.is_free()


def test_a_failing_gate_ends_with_2(bank: Any, tmp_path: Path) -> None:
    """The record has the verdicts and the reason; no version was made."""
    bank.apply(gates=[{"metric": "roc_auc", "min": 0.9999}])
    child = start(bank.settings, bank.name, tmp_path / "log", words=("--job", "a-job"))
    child.communicate(timeout=DEADLINE_S)
    run = bank.run("a-job")

    assert 2 == child.returncode
    assert ("failed", 2, "NotGoodEnough", "") == (
        run.state, run.exit_code, run.failure.kind, run.version,
    )  # fmt: skip
    assert [False, True] == [verdict.passed for verdict in run.verdicts]


def test_a_trainer_with_database_credentials_does_not_start(bank: Any, tmp_path: Path) -> None:
    """With a database address in its environment the process ends, before any call.

    The error names the setting.
    """
    child = start(
        bank.settings,
        bank.name,
        tmp_path / "log",
        POSTGRES__WAREHOUSE_REPLICA_DSN="postgresql://mlplatform_reader@127.0.0.1/warehouse",
    )
    child.communicate(timeout=DEADLINE_S)

    assert child.returncode != 0
    assert "MLPLATFORM_POSTGRES__WAREHOUSE_REPLICA_DSN" in (tmp_path / "log").read_text()
    assert [] == bank.runs()
