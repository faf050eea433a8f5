"""A job of a Ray cluster from its submission to its end, with a cluster that is written here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from mlplatform.contracts.ray_job import RESULT_LINE
from mlplatform.errors import Refused, Unavailable
from mlplatform.trainer.ray.follow import JobLog, RayJob
from mlplatform.trainer.ray.jobs import JobState, RayJobs

RUNNING, DONE = JobState("RUNNING", ""), JobState("SUCCEEDED", "")


class Cluster:
    """Answers with these states, one after the other; an error among them is raised."""

    def __init__(self, *states: JobState | Exception, log: str = "") -> None:
        self.states = list(states)
        self.text = log
        self.submitted: list[str] = []
        self.stopped = 0

    def submit(self, job: str, *_: object) -> None:
        """Note it."""
        self.submitted.append(job)

    def state(self, _: str) -> JobState:
        """The next one; the last one stays."""
        found = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(found, Exception):
            raise found
        return found

    def log(self, _: str) -> str:
        """All of it."""
        return self.text

    def stop(self, _: str) -> None:
        """Note it."""
        self.stopped += 1
        self.states = [JobState("STOPPED", "")]


def _job(cluster: Cluster, lost_s: float = 0.0) -> RayJob:
    return RayJob(cast("RayJobs", cluster), "job", lost_s=lost_s, sleep=lambda _: None)


def _run(cluster: Cluster, check: Callable[[], None] = lambda: None) -> str:
    job = _job(cluster)
    with job.submitted("entrypoint", {}):
        return job.result(check)


def test_the_result_is_what_the_log_names() -> None:
    """A job that ends well says which digest its result has; nothing is stopped."""
    cluster = Cluster(RUNNING, RUNNING, DONE, log=f"one\n{RESULT_LINE}abc\n")

    assert "abc" == _run(cluster)
    assert (["job"], 0) == (cluster.submitted, cluster.stopped)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (JobState("FAILED", "exit code 1"), "failed: exit code 1; its log ends: one | two"),
        (JobState("STOPPED", ""), "was stopped; its log ends: one | two"),
        (DONE, "ended without a result; its log ends: one | two"),
    ],
)
def test_another_end_says_how_the_log_ends(state: JobState, said: str) -> None:
    """Also a job that ended well and named no result."""
    with pytest.raises(Refused) as caught:
        _run(Cluster(RUNNING, state, log="one\n\ntwo"))

    assert said in caught.value.message


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(143), Refused("lease")])
def test_what_ends_the_run_stops_the_job(error: BaseException) -> None:
    """SIGTERM and the time limit are no Exceptions."""
    cluster = Cluster(RUNNING)

    def check() -> None:
        raise error

    with pytest.raises(type(error)):
        _run(cluster, check)

    assert 1 == cluster.stopped


def test_a_cluster_that_is_away_is_given_up() -> None:
    """The message has the setting, and what the job said last."""
    cluster = Cluster(RUNNING, Unavailable("away", field="address"), log="one\n")
    with pytest.raises(Unavailable, match="given up after 0 s; its log ends: one") as caught:
        _run(cluster)

    assert "address" == caught.value.field


def test_a_moment_away_changes_nothing() -> None:
    """A dashboard that restarts is asked again."""
    cluster = Cluster(RUNNING, Unavailable("away"), DONE, log=f"{RESULT_LINE}abc\n")
    job = _job(cluster, lost_s=60)
    with job.submitted("entrypoint", {}):
        assert "abc" == job.result(lambda: None)


def test_a_job_that_ray_has_forgotten_is_not_waited_for() -> None:
    """A head that was restarted knows nothing of it."""
    with pytest.raises(Refused, match="no longer knows the job") as caught:
        _run(Cluster(RUNNING, Refused("404")))

    assert "start the training again" in str(caught.value.fix)


def test_lines_are_taken_once_and_whole() -> None:
    """A log is read from its beginning each time; half a line waits for its end."""
    log = JobLog()
    for text in ("one\ntw", "one\ntwo\nthr", "one\ntwo\nthr"):
        log.take(text)
    before = list(log.last)
    log.take("one\ntwo\nthr", whole=True)

    assert (["one", "two"], ["one", "two", "thr"]) == (before, list(log.last))


def test_an_end_of_long_lines_is_bounded() -> None:
    """What a job writes goes into an error message, as far as it fits."""
    log = JobLog()
    log.take("".join(f"{number} {'x' * 9_000}\n" for number in range(50)))
    shown: Any = log.tail

    assert len(shown) < 6 * 2_100
    assert "49 x" in shown
