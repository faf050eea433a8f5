"""Whether a process still answers, with a clock of the test's."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlplatform.local.processes.child import Child
from mlplatform.local.processes.health import POLLS, Health
from mlplatform.local.processes.spec import ProcessSpec
from mlplatform.local.processes.supervisor import SILENT_APART_S, Supervisor


class Scene:
    """One process, and a clock that stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.answers = True
        self.takes_s = 0.0
        self.health = Health(
            "one", self._probe, clock=lambda: self.now, wall=lambda: self.now + 1_700_000_000
        )

    def poll(self, *answers: bool, every_s: float = 2.0) -> None:
        """So many polls, after a pause each."""
        for self.answers in answers:
            self.now += every_s
            self.health.poll()

    def _probe(self) -> bool:
        self.now += self.takes_s
        return self.answers


def test_one_missed_answer_is_no_silence() -> None:
    """It takes several in a row, and one answer ends it."""
    scene, found = Scene(), []
    for answers in (False, False, True, False, False, False, False, True):
        scene.poll(answers)
        found.append(scene.health.silent)

    assert [False, False, False, False, False, True, True, False] == found
    assert 0.0 == scene.health.silent_s


def test_silence_is_as_long_as_it_was_watched() -> None:
    """The pauses count, and what a probe waited for in vain."""
    scene = Scene()
    scene.takes_s = 5.0
    scene.poll(True)
    scene.poll(*[False] * 4)

    assert 4 * (2.0 + 5.0) == scene.health.silent_s


def test_a_machine_that_slept_blames_nobody() -> None:
    """Hours between two polls count as one poll, so that nothing is ended after a sleep."""
    scene = Scene()
    scene.poll(True)
    scene.poll(False, every_s=8 * 3600)
    slept = scene.health.silent, scene.health.silent_s
    scene.poll(True)

    assert (False, 8.0) == slept
    assert 0.0 == scene.health.silent_s


def test_since_when_a_process_is_silent() -> None:
    """It is the time of the first answer that did not come."""
    scene = Scene()
    scene.poll(True, False, False, False, False)
    begun = time.strftime("%H:%M:%S", time.localtime(1000 + 1_700_000_000 + 4))

    assert f"not answering since {begun}" == scene.health.reason


def test_a_probe_that_raises_is_no_answer() -> None:
    """Whatever a process sends, its supervisor goes on."""

    def probe() -> bool:
        raise ValueError("what is this?")

    health = Health("one", probe)
    for _ in range(POLLS):
        health.poll()

    assert health.silent


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[Callable[[str, float], Child]]:
    """Makes processes that run and have not answered for a minute: name, limit -> child."""
    made: list[subprocess.Popen[bytes]] = []

    def make(name: str, silent_s: float) -> Child:
        argv = (sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)")
        spec = ProcessSpec(name, argv, health=lambda: False, silent_s=silent_s)
        child = Child(spec, tmp_path / f"{name}.log")
        child.process = subprocess.Popen(argv, start_new_session=True)
        made.append(child.process)
        child.state, child.should_run, child._was_ready = "ready", True, True
        child._health = Health(name, lambda: False)
        for _ in range(POLLS):
            child._health.poll()
        child._health.silent_s = 60.5
        child.watch(1000.0)
        return child

    yield make
    for process in made:
        process.kill()
        process.wait()


def test_a_silent_process_is_ended_and_one_that_may_be_silent_longer_is_not(
    tmp_path: Path, silent: Callable[[str, float], Child]
) -> None:
    """Its state says so first; the limit is its own."""
    other, one = silent("other", 61.0), silent("one", 60.0)
    supervisor = Supervisor(logs=tmp_path)
    supervisor._children = {"other": other, "one": one}
    states = [child.status().state for child in (other, one)]
    supervisor._end_silent(1000.0)

    assert ["silent", "silent"] == states
    assert -signal.SIGKILL == _ended(one)
    assert other.process is not None
    assert other.process.poll() is None


def test_silent_processes_are_ended_one_after_the_other(
    tmp_path: Path, silent: Callable[[str, float], Child]
) -> None:
    """The first may have kept the others waiting, so that they answer again without an end."""
    one, two = silent("one", 60.0), silent("two", 60.0)
    supervisor = Supervisor(logs=tmp_path)
    supervisor._children = {"one": one, "two": two}
    supervisor._end_silent(1000.0)
    first = _ended(one)
    one.watch(1000.0)  # it waits for its next start
    supervisor._end_silent(1000.0 + SILENT_APART_S - 1)
    assert two.process is not None
    early = two.process.poll()
    supervisor._end_silent(1000.0 + SILENT_APART_S)

    assert (-signal.SIGKILL, None, -signal.SIGKILL) == (first, early, _ended(two))


def _ended(child: Child) -> int:
    """How its process ended, which it does soon."""
    assert child.process is not None
    return child.process.wait(10)
