"""The stack as a whole is stopped, or killed, and started again on its data."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from whole import NAME, Platform


def test_a_flipped_byte_in_the_registry_never_serves(platform: Platform) -> None:
    """A model file that changed after its registration is refused; the version before answers."""
    before = platform.champion()
    platform.stack.supervisor.stop("serving")
    version = platform.train("a second version")
    file = _model_file(platform, version)
    good = file.read_bytes()
    file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    platform.stack.supervisor.start("serving")
    platform.await_version(before)
    answered = platform.serving.predict(NAME, [platform.row]).version
    file.write_bytes(good)

    assert version != before
    assert answered == before
    platform.await_version(version)


def test_rollback_brings_the_version_of_before_back(platform: Platform) -> None:
    """After a rollback the previous champion answers, without a training and without a restart."""
    previous = platform.admin.model_status(NAME).previous
    assert previous is not None
    newer, older = platform.champion(), previous.version
    with platform.load() as load:
        platform.admin.decide(NAME, "rollback", why="a test")
        platform.await_version(older)

    assert newer != older
    assert [] == load.refused


def test_everything_killed_at_once_loses_nothing(platform: Platform) -> None:
    """Each process comes back, databases too, and every answered request is stored."""
    processes = platform.stack.supervisor
    restarts = {name: status.restarts for name, status in processes.status().items()}
    with platform.load() as load:
        for pid in platform.stack.pids().values():
            os.kill(pid, signal.SIGKILL)
        for name, before in restarts.items():
            processes.wait(
                name,
                lambda status, before=before: status.restarts > before and status.state == "ready",
                timeout_s=90,
            )  # type: ignore[misc]
        load.await_answers(20)

    assert len(load.answered) >= 40


def test_a_stopped_stack_starts_again_with_its_data(platform: Platform) -> None:
    """After an orderly stop the next start finds requests, champion and promotion record again."""
    with platform.load() as load:
        load.await_answers(20)
    version, record = platform.champion(), platform.admin.promotions(NAME)
    platform.stack.supervisor.stop()
    platform.stack.supervisor.start()
    platform.await_version(version)

    assert platform.champion() == version
    assert platform.admin.promotions(NAME) == record
    platform.await_stored(load)


def _model_file(platform: Platform, version: str) -> Path:
    versions = platform.admin.versions(NAME)
    run = next(each.run_id for each in versions if each.version == version)
    (found,) = (platform.stack.options.home / "mlflow").rglob(f"{run}/artifacts/model/model.onnx")
    return found
