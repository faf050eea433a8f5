"""The trainer as the process that a Job starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mlplatform.settings import Settings

CHILD = """
import sys
from mlplatform import settings, telemetry
from mlplatform.trainer.main import run
loaded = settings.load()
telemetry.configure(loaded.telemetry, process="trainer")
run(loaded, sys.argv[1], reason="test")
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


def _environment(settings: Settings, **more: str) -> dict[str, str]:
    given = {
        "DATAAPI__URL": settings.dataapi.url,
        "DATAAPI__TOKEN": "token-trainer",
        "REGISTRY__URL": settings.registry.url,
        "SOURCE__URL": settings.source.url,
        "SOURCE__CACHE": str(settings.source.cache),
    }
    return {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]} | {
        f"MLPLATFORM_{name}": value for name, value in (given | more).items()
    }


def _start(bank: Any, log: Path, **more: str) -> subprocess.Popen[bytes]:
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-c", CHILD, bank.name],
            env=_environment(bank.settings, **more),
            stderr=file,
            stdout=subprocess.PIPE,
        )


def test_a_run_prints_its_summary_and_logs_json(bank: Any, tmp_path: Path) -> None:
    """The process says in plain words what it did; its log is JSON lines with pipeline and run."""
    child = _start(bank, tmp_path / "log")
    out, _ = child.communicate(timeout=DEADLINE_S)
    lines = (tmp_path / "log").read_text().splitlines()

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


def test_sigterm_ends_a_run_in_order(bank: Any, tmp_path: Path) -> None:
    """A run that is ended in the author's code is KILLED in MLflow; the next can begin at once."""
    mark = tmp_path / "mark"
    bank.apply(model=SLOW.format(mark=str(mark)))
    child = _start(bank, tmp_path / "log")
    deadline = time.monotonic() + DEADLINE_S
    while not mark.exists():
        assert time.monotonic() < deadline
        assert child.poll() is None, (tmp_path / "log").read_text()[-2000:]
        time.sleep(0.02)
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=DEADLINE_S)

    assert child.returncode == 128 + signal.SIGTERM
    assert ["KILLED"] == [run["info"]["status"] for run in bank.runs()]
    bank.hold_lease("the next one")  # is free


@pytest.mark.parametrize("model", [HOLDS, SWALLOWS], ids=["holds", "swallows"])
def test_a_run_that_can_not_be_interrupted_is_ended(bank: Any, tmp_path: Path, model: str) -> None:
    """After timeout_s and a grace, with the reason in its log and in MLflow.

    So is the lease, which nobody renews any more.
    """
    bank.apply(model=model, timeout_s=10)
    child = _start(bank, tmp_path / "log", TRAINER__GRACE_S="1")
    child.communicate(timeout=DEADLINE_S)
    log = (tmp_path / "log").read_text()
    (run,) = bank.runs()
    tags = {tag["key"]: tag["value"] for tag in run["data"]["tags"]}
    reason = "the run took longer than timeout_s of its pipeline.yaml, and could not be interrupted"

    assert -signal.SIGKILL == child.returncode, log[-2000:]
    assert ("FAILED", reason) == (run["info"]["status"], tags["failure"])
    assert f'"error": "{reason}"' in log


def test_a_trainer_with_database_credentials_does_not_start(bank: Any, tmp_path: Path) -> None:
    """With a database address in its environment the process ends, before any call.

    The error names the setting.
    """
    child = _start(
        bank,
        tmp_path / "log",
        POSTGRES__WAREHOUSE_REPLICA_DSN="postgresql://mlplatform_reader@127.0.0.1/warehouse",
    )
    child.communicate(timeout=DEADLINE_S)

    assert child.returncode != 0
    assert "MLPLATFORM_POSTGRES__WAREHOUSE_REPLICA_DSN" in (tmp_path / "log").read_text()
    assert [] == bank.runs()
