from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mlplatform.errors import Refused, Unavailable, UnknownName
from mlplatform.local.ports import choose
from mlplatform.local.processes import guard
from mlplatform.local.processes.child import ProcessStatus, bound
from mlplatform.local.processes.probe import answers
from mlplatform.local.processes.spec import ProcessSpec
from mlplatform.local.processes.supervisor import Supervisor

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = (
    "trap '' TERM; echo up; while :; do sleep 600; done"  # a shell: every user may execute it
)
# A child with a child of its own in the same group, whose pid it writes down; it dies of SIGTERM
# without ending its child.
PARENT = (
    "import subprocess, sys, time;"
    " c = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(600)']);"
    "open(sys.argv[1], 'w').write(str(c.pid)); time.sleep(600)"
)


def program(name: str, code: str, *arguments: str, **more: object) -> ProcessSpec:
    """A Python one-liner as a process."""
    argv = (sys.executable, "-I", "-S", "-c", code, *arguments)
    return ProcessSpec(name, argv, **more)  # type: ignore[arg-type]


def says(path: Path, text: str = "up") -> Callable[[], bool]:
    """A probe: true once the log holds the text."""
    return lambda: path.exists() and text in path.read_text()


def gone(pid: int) -> bool:
    """True when there is no such process, or only its zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def until(condition: Callable[[], bool], seconds: float = 15.0) -> bool:
    """Poll a condition; False when it did not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_starts_in_the_order_of_needs(tmp_path: Path) -> None:
    """A process starts only when what it needs is ready, and stops before it."""
    order: list[tuple[str, str]] = []
    slow = program(
        "slow",
        "import time; time.sleep(0.3); print('up', flush=True); time.sleep(600)",
        ready=says(tmp_path / "slow.log"),
    )
    quick = program("quick", SLEEPER, needs=("slow",), ready=says(tmp_path / "quick.log"))

    with Supervisor(
        [slow, quick],
        logs=tmp_path,
        on_change=lambda status: order.append((status.name, status.state)),
    ) as supervisor:
        supervisor.start()

    seen = [step for step in order if step[1] in ("ready", "starting", "stopped")]
    assert seen.index(("slow", "ready")) < seen.index(("quick", "starting"))
    assert order.index(("quick", "stopped"), order.index(("quick", "ready"))) < order.index(
        ("slow", "stopping")
    )


def test_starts_side_by_side(tmp_path: Path) -> None:
    """Processes that don't need each other start at the same time."""
    code = "import time; time.sleep(0.5); print('up', flush=True); time.sleep(600)"
    specs = [program(name, code, ready=says(tmp_path / f"{name}.log")) for name in "abcd"]

    with Supervisor(specs, logs=tmp_path) as supervisor:
        began = time.monotonic()
        supervisor.start()
        took = time.monotonic() - began

    assert took < 4 * 0.5


def test_killed_process_comes_back(tmp_path: Path) -> None:
    """A process that is killed runs again under another pid, and the restart is counted."""
    with Supervisor([program("one", SLEEPER)], logs=tmp_path) as supervisor:
        supervisor.start()
        first = supervisor.status()["one"].pid
        os.kill(first or 0, signal.SIGKILL)
        second = supervisor.wait(
            "one", lambda status: status.restarts == 1 and status.state == "ready", timeout_s=10
        )

    assert first != second.pid
    assert -signal.SIGKILL == second.exit_code


def test_hopeless_process_fails_the_start_with_its_log(tmp_path: Path) -> None:
    """A process that ends again and again before it is ready fails the start, which says why."""
    broken = program("broken", "import sys; sys.exit('the disk is on fire')", ready=lambda: False)

    with (
        Supervisor([broken], logs=tmp_path) as supervisor,
        pytest.raises(Unavailable, match=r"'broken' ended with exit code 1[\s\S]*on fire"),
    ):
        supervisor.start()


def test_unready_process_fails_the_start(tmp_path: Path) -> None:
    """A process that runs but does not become ready in its time is stopped, and the start fails."""
    lazy = program("lazy", SLEEPER, ready=lambda: False, ready_timeout_s=0.5)

    with Supervisor([lazy], logs=tmp_path) as supervisor:
        with pytest.raises(Unavailable, match=r"was not ready after 0\.5 s"):
            supervisor.start()
        state = supervisor.wait("lazy", lambda status: status.pid is None, timeout_s=10).state

    assert "failed" == state


def test_broken_probe_fails_the_start(tmp_path: Path) -> None:
    """A probe that raises fails the start instead of being called for ever."""

    def probe() -> bool:
        raise ValueError("no such port")

    with (
        Supervisor([program("one", SLEEPER, ready=probe)], logs=tmp_path) as supervisor,
        pytest.raises(Unavailable, match="no such port"),
    ):
        supervisor.start()


def test_one_shot_counts_as_done(tmp_path: Path) -> None:
    """A process that may end, and ends well, is finished and not started again."""
    with Supervisor([program("once", "print('done')", restart=False)], logs=tmp_path) as supervisor:
        supervisor.start()
        status = supervisor.wait("once", lambda status: status.state == "finished", timeout_s=10)

    assert (0, 0) == (status.exit_code, status.restarts)


def test_stubborn_process_is_killed_after_its_grace(tmp_path: Path) -> None:
    """A process that ignores the stop signal is killed when its grace is over."""
    argv = ("/bin/sh", "-c", STUBBORN)
    spec = ProcessSpec(
        "stubborn",
        argv,
        environment={"PATH": os.defpath},
        ready=says(tmp_path / "stubborn.log"),
        stop_timeout_s=0.3,
    )
    with Supervisor([spec], logs=tmp_path) as supervisor:
        supervisor.start()
        supervisor.stop("stubborn")
        status = supervisor.status()["stubborn"]

    assert ("stopped", -signal.SIGKILL) == (status.state, status.exit_code)


def test_one_process_stops_and_starts_alone(tmp_path: Path) -> None:
    """A single process can be stopped and started while the others run on."""
    with Supervisor([program("a", SLEEPER), program("b", SLEEPER)], logs=tmp_path) as supervisor:
        supervisor.start()
        before = supervisor.status()["a"].pid
        supervisor.stop("b")
        stopped = supervisor.status()["b"].state
        supervisor.start("b")
        after = supervisor.status()

    assert "stopped" == stopped
    assert before == after["a"].pid
    assert "ready" == after["b"].state


def test_stop_takes_the_grandchildren(tmp_path: Path) -> None:
    """What a child started itself ends with it, though the child does not care."""
    note = tmp_path / "pid"
    with Supervisor(
        [
            program(
                "parent", PARENT, str(note), ready=lambda: note.exists() and note.read_text() != ""
            )
        ],
        logs=tmp_path,
    ) as supervisor:
        supervisor.start()
        grandchild = int(note.read_text())
        assert not gone(grandchild)

    assert until(lambda: gone(grandchild))


def test_log_of_the_last_run_is_kept(tmp_path: Path) -> None:
    """A start moves the old log aside."""
    for word in ("first", "second"):
        spec = program(
            "one",
            f"print('{word}', flush=True); import time; time.sleep(600)",
            ready=says(tmp_path / "one.log", word),
        )
        with Supervisor([spec], logs=tmp_path) as supervisor:
            supervisor.start()

    assert ("second\n", "first\n") == (
        (tmp_path / "one.log").read_text(),
        (tmp_path / "one.log.1").read_text(),
    )


def test_log_is_bounded(tmp_path: Path) -> None:
    """A log above its limit is moved aside and begins anew."""
    log = tmp_path / "one.log"
    log.write_text("x" * 100)
    bound(log, 99)

    assert (0, 100) == (log.stat().st_size, (tmp_path / "one.log.1").stat().st_size)


def test_environment_is_the_specs_own(tmp_path: Path) -> None:
    """Nothing of the supervisor's environment reaches a child."""
    os.environ["MLPLATFORM_TEST_LEAK"] = "1"
    try:
        spec = program(
            "env",
            "import os; print(sorted(os.environ), flush=True)",
            environment={"ONLY": "this"},
            restart=False,
        )
        with Supervisor([spec], logs=tmp_path) as supervisor:
            supervisor.start()
            supervisor.wait("env", lambda status: status.state == "finished", timeout_s=10)
    finally:
        del os.environ["MLPLATFORM_TEST_LEAK"]

    names = (tmp_path / "env.log").read_text()
    assert "ONLY" in names
    assert "MLPLATFORM_TEST_LEAK" not in names
    assert "PATH" not in names


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_child_runs_as_its_user(tmp_path: Path) -> None:
    """A child with a uid has dropped user, group and supplementary groups."""
    spec = ProcessSpec(
        "who",
        ("/bin/sh", "-c", "id -u; id -G"),
        environment={"PATH": os.defpath},
        uid=65534,
        restart=False,
    )
    with Supervisor([spec], logs=tmp_path) as supervisor:
        supervisor.start()
        supervisor.wait("who", lambda status: status.state == "finished", timeout_s=10)

    assert "65534\n65534\n" == (tmp_path / "who.log").read_text()


HOLDER = """
import json, sys, time
from pathlib import Path
from mlplatform.local.processes.probe import answers
from mlplatform.local.processes.spec import ProcessSpec
from mlplatform.local.processes.supervisor import Supervisor
logs, uid, stubborn, parent = Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3], sys.argv[4]
note, path = logs / "pid", {"PATH": "/usr/bin:/bin"}
up = lambda: "up" in (logs / "stubborn.log").read_text()
specs = [
    ProcessSpec("stubborn", ("/bin/sh", "-c", stubborn), environment=path, uid=uid, ready=up),
    ProcessSpec(
        "parent",
        (sys.executable, "-I", "-S", "-c", parent, str(note)),
        ready=lambda: note.exists() and note.read_text() != "",
    ),
]
supervisor = Supervisor(specs, logs=logs, orphan_grace_s=1)
supervisor.start()
children = [status.pid for status in supervisor.status().values()]
print(json.dumps([*children, int(note.read_text()), supervisor._guard.pid]), flush=True)
time.sleep(600)
"""


def holder(logs: Path, uid: int | None = None) -> tuple[subprocess.Popen[str], list[int]]:
    """A program that holds a supervisor; its children ignore signals or have children; all pids."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(logs), json.dumps(uid), STUBBORN, PARENT],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


@pytest.mark.parametrize(
    "uid",
    [None, pytest.param(65534, marks=pytest.mark.skipif(os.getuid() != 0, reason="needs root"))],
)
def test_nothing_outlives_a_killed_supervisor(tmp_path: Path, uid: int | None) -> None:
    """After kill -9 of the program neither children, deaf ones too, nor grandchildren are left."""
    process, pids = holder(tmp_path, uid)
    with process:
        process.kill()

    assert until(lambda: all(gone(pid) for pid in pids), 20)


def test_next_start_cleans_up_after_a_killed_guard(tmp_path: Path) -> None:
    """Where the guard was killed too, the next start ends what is left before it begins."""
    process, pids = holder(tmp_path)
    with process:
        os.kill(pids[-1], signal.SIGKILL)
        process.kill()
    stubborn = pids[0]
    assert not gone(stubborn)

    with Supervisor([program("one", SLEEPER)], logs=tmp_path, orphan_grace_s=1) as supervisor:
        supervisor.start()

        assert gone(stubborn)


def test_later_process_of_the_same_pid_is_left_alone(tmp_path: Path) -> None:
    """A listed pid that now belongs to another process is not touched by the next start."""
    file = tmp_path / "processes.json"
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", SLEEPER],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
    ) as innocent:
        guard.write(file, [guard.Listed("old", innocent.pid, "12345", 15)])
        with Supervisor([program("one", SLEEPER)], logs=tmp_path) as supervisor:
            supervisor.start()
        alive = innocent.poll() is None
        innocent.kill()

    assert alive


def test_unknown_and_doubled_names_are_refused(tmp_path: Path) -> None:
    """A name twice, a need that nobody satisfies and a stop of nobody are errors that name it."""
    supervisor = Supervisor([program("one", SLEEPER)], logs=tmp_path)
    with pytest.raises(Refused, match="'one'"):
        supervisor.add(program("one", SLEEPER))
    with pytest.raises(UnknownName, match="needs unknown two"):
        supervisor.add(program("three", SLEEPER, needs=("two",)))
    with pytest.raises(UnknownName, match="no process 'four'"):
        supervisor.start("four")
    supervisor.close()


def test_who_stays_learns_that_the_supervisor_broke(tmp_path: Path) -> None:
    """A full disk under state.json ends all processes, and `stay` raises instead of blocking."""
    full, children = threading.Event(), list[int]()

    def note(_: ProcessStatus) -> None:
        if full.is_set():
            raise OSError(errno.ENOSPC, "No space left on device")

    def run() -> None:
        with Supervisor([program("a", SLEEPER)], logs=tmp_path, on_change=note) as supervisor:
            supervisor.start()
            children.append(supervisor.status()["a"].pid or 0)
            full.set()
            os.kill(children[0], signal.SIGKILL)
            supervisor.stay()

    with pytest.raises(Unavailable, match="No space left"):
        run()
    assert until(lambda: gone(children[0]))


def test_a_list_that_can_not_be_written_ends_nobody(tmp_path: Path) -> None:
    """The disk refuses the process file: children go on and come back, and are listed later."""
    with Supervisor([program("one", SLEEPER), program("two", SLEEPER)], logs=tmp_path) as running:
        running.start()
        before = running.status()
        (tmp_path / "processes.new").mkdir()  # what the list is written to first
        victim = before["one"].pid
        assert victim is not None
        os.kill(victim, signal.SIGKILL)
        running.wait("one", lambda status: status.pid not in (None, victim), timeout_s=15.0)
        after = running.status()
        (tmp_path / "processes.new").rmdir()
        pids = {status.pid for status in after.values()}

        assert before["two"] == after["two"]
        assert until(lambda: pids == {one.pid for one in guard.read(tmp_path / "processes.json")})


def test_a_log_that_can_not_be_written_ends_nobody(tmp_path: Path) -> None:
    """A child whose log can't be opened runs without one."""
    with Supervisor([program("one", SLEEPER)], logs=tmp_path) as running:
        running.start()
        before = running.status()["one"].pid
        assert before is not None
        (tmp_path / "one.log").unlink()
        (tmp_path / "one.log").mkdir()
        os.kill(before, signal.SIGKILL)
        after = running.wait(
            "one", lambda status: status.state == "ready" and status.pid != before, timeout_s=15.0
        )

        assert 1 == after.restarts


def test_a_stopped_process_is_silent_and_then_replaced(tmp_path: Path) -> None:
    """A process that stands still after it was ready is told, ended and started again.

    One beside it that answers is left alone, however slowly it works.
    """
    (tmp_path / "serve").mkdir()
    page = "import sys; from http.server import SimpleHTTPRequestHandler, test\n"
    page += "test(SimpleHTTPRequestHandler, port=int(sys.argv[1]), bind='127.0.0.1')"
    ports = choose({"one": 0, "two": 0})
    specs = [
        program(
            name,
            page,
            str(port),
            folder=tmp_path / "serve",
            ready=answers(f"http://127.0.0.1:{port}/"),
            health=answers(f"http://127.0.0.1:{port}/", timeout_s=0.3),
            silent_s=8.0,
        )
        for name, port in ports.items()
    ]
    with Supervisor(specs, logs=tmp_path) as supervisor:
        supervisor.start()
        before = supervisor.status()
        os.kill(before["one"].pid or 0, signal.SIGSTOP)
        silent = supervisor.wait("one", lambda status: status.state == "silent", timeout_s=30)
        back = supervisor.wait(
            "one", lambda status: status.restarts == 1 and status.state == "ready", timeout_s=60
        )
        other = supervisor.status()["two"]

    assert re.fullmatch(r"not answering since \d\d:\d\d:\d\d", silent.reason)
    assert ("", before["one"].pid == back.pid) == (back.reason, False)
    assert (before["two"].pid, 0) == (other.pid, other.restarts)
