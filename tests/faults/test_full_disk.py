"""The disk is full, and processes die meanwhile: nothing ends for good, and nothing is lost."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from shutil import disk_usage

from answers import answered, stored
from load import until
from small_disk import fill, small_disk
from whole import trained

from mlplatform.local.stack import LocalStack, Options

KILLED = ("serving", "consumer", "etl", "postgres-primary", "dataapi")
MEGABYTES = 1_000


def test_a_full_disk_and_deaths_cost_no_answer(source: Path, tmp_path: Path) -> None:
    """The supervisor goes on though it can note nothing; with room again all come back.

    Every request that was answered before, on the full disk and after is stored as it was answered.
    """
    with small_disk(tmp_path, MEGABYTES) as home:
        options = Options(home=home / "home", source=str(source), working_tree=True)
        with LocalStack(options) as stack, trained(stack) as platform:
            platform.await_version(platform.champion())
            given = answered(platform, 20)
            balloon = home / "balloon"
            fill(balloon)
            with platform.load() as load:
                before = {name: stack.supervisor.status()[name].restarts for name in KILLED}
                for name in KILLED:
                    os.kill(stack.pids()[name], signal.SIGKILL)
                until(
                    lambda: all(
                        stack.supervisor.status()[name].state != "ready"
                        or stack.supervisor.status()[name].restarts > before[name]
                        for name in KILLED
                    ),
                    "the deaths are noticed",
                )
                fill(balloon)
                lives, free = stack.supervisor.status()["mlflow"].state, disk_usage(home).free
                balloon.unlink()
                for name in KILLED:
                    stack.supervisor.wait(
                        name,
                        lambda status, least=before[name]: (
                            status.restarts > least and status.state == "ready"
                        ),
                        timeout_s=90,
                    )
                platform.await_version(platform.champion())
                load.await_answers(20)
            given |= answered(platform, 20)
            until(lambda: given.keys() <= stored(platform).keys(), "all of them are stored")
            found = stored(platform)

            assert ("ready", 0) == (lives, free)
            assert given == {request: found[request] for request in given}
            assert set(load.answered) <= found.keys()
