"""Records of training runs: made before anything starts, once a key, and right however they end."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mlplatform.cluster.job import ClusterJob
from mlplatform.contracts.run import RunRequest
from mlplatform.contracts.run_report import MOST_REPORTS
from mlplatform.dataapi.open_runs import OpenRuns
from mlplatform.dataapi.runs import Runs
from mlplatform.database import runs as records
from mlplatform.database.pools import PrimaryPool
from mlplatform.errors import (
    CutShort,
    Forbidden,
    InvalidInput,
    LeaseHeld,
    Refused,
    Unauthenticated,
    Unavailable,
    UnknownName,
)

RUNS = "/v1/pipelines/manual-one/runs"
LEASE = "/v1/pipelines/manual-one/lease"
WHY = {"reason": "new labels"}
LONG_AGO = "UPDATE control.runs SET requested_at = now() - %s, submitted_at = submitted_at - %s"


class Jobs:
    """A cluster in memory: `started` are the names that it has started, one after the other."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.known: dict[str, ClusterJob] = {}
        self.failure: Exception | None = None
        self.cut: Exception | None = None  # raised when the Job was made: the answer is lost
        self._lock = threading.Lock()

    def job_of(self, pipeline: str, run: str) -> str:
        """As a cluster does."""
        return f"{pipeline}-{run[-10:]}"

    def start_training(self, pipeline: str, job: str, *, reason: str) -> None:
        """Once a name."""
        assert "requested by" in reason
        if self.failure is not None:
            raise self.failure
        with self._lock:
            if job not in self.known:
                self.started.append(job)
                self.turn(job, "waiting", pipeline)
        if self.cut is not None:
            raise self.cut

    def turn(self, job: str, state: Any, pipeline: str = "manual-one", failure: str = "") -> None:
        """What becomes of a Job."""
        self.known[job] = ClusterJob(job, pipeline, state, "", None, None, failure)

    def jobs(self, pipeline: str) -> list[ClusterJob]:
        """Those of a pipeline."""
        return [each for each in self.known.values() if each.pipeline == pipeline]


@pytest.fixture
def jobs(api: Any) -> Jobs:
    """The data API's cluster, in memory."""
    made = Jobs()
    api.collaborators.runs._cluster = made
    return made


@pytest.fixture
def look(pool: PrimaryPool, jobs: Jobs) -> Callable[[], None]:
    """One round of the work that looks after open runs."""
    return OpenRuns(pool, jobs).once


def post(api: Any, key: str = "", caller: str = "trainer", **body: str) -> Any:
    """Ask for a run: the code and the record."""
    headers = {"Idempotency-Key": key} if key else {}
    answer = api.raw(caller, "POST", RUNS, json=body or WHY, headers=headers)
    return answer.status_code, answer.json()


def begin(api: Any, job: str, holder: str = "pod") -> str:
    """Take the lease as the trainer in a Job does; the run's id."""
    body = {"holder": holder, "ttl_s": 60, "job": job, "reason": "its own"}
    lease = api.call("trainer", "POST", LEASE, json=body)
    api.runs["manual-one"] = lease["token"]
    return str(lease["run"])


def report(api: Any, run: str, number: int, **facts: Any) -> Any:
    """Report as the run does."""
    body = {"number": number, **facts}
    return api.call("run of manual-one", "PUT", f"{RUNS}/{run}/report", json=body)


def show(api: Any, run: str, **parameters: Any) -> Any:
    """The record of a run."""
    return api.call("reader", "GET", f"{RUNS}/{run}", params=parameters)


def age(api: Any, seconds: float) -> None:
    """Let the open runs be older."""
    past = timedelta(seconds=seconds)
    with api.databases.connect("owner", "warehouse") as connection:
        connection.execute(LONG_AGO, (past, past))
        connection.commit()


def release(api: Any) -> None:
    """The process of the run vanishes, and its lease runs out."""
    with api.databases.connect("dataapi", "warehouse") as connection:
        connection.execute("DELETE FROM control.leases")
        connection.commit()


def test_a_run_has_a_record_from_the_first_call_to_its_end(api: Any, jobs: Jobs) -> None:
    """Who, why, steps with their seconds, version, verdicts, figures of its end; found by its Job.

    The lease that its trainer takes is of the same run.
    """
    code, asked = post(api)
    run = begin(api, asked["job"])
    steps = [{"step": "pin", "seconds": 0.5}, {"step": "wait"}]
    report(api, run, 1, steps=steps, commit="c0ffee", mlflow_run="m1")
    seen = show(api, asked["job"])
    steps[1]["seconds"] = 2.0
    verdicts = [{"text": "auc is 0.9, required at least 0.6", "passed": True}]
    end = {"state": "succeeded", "exit_code": 0}
    facts = {"version": "3", "outcome": "candidate", "receipt": "r", "gate_digest": "g"}
    report(api, run, 2, steps=steps, verdicts=verdicts, **facts)
    report(api, run, 3, end=end)
    done = show(api, run)

    assert (202, "waiting", "trainer", "new labels") == (
        code, asked["state"], asked["caller"], asked["reason"],
    )  # fmt: skip
    assert [asked["job"]] == jobs.started
    assert (run, "running", "wait", "c0ffee") == (
        asked["id"], seen["state"], seen["step"], seen["commit"],
    )  # fmt: skip
    assert [0.5, None] == [step["seconds"] for step in seen["steps"]]
    assert {"state": "succeeded", "exit_code": 0, "mlflow_run": "m1", "step": "wait"} | facts == {
        key: done[key] for key in ("state", "exit_code", "mlflow_run", "step", *facts)
    }
    assert (verdicts, [0.5, 2.0]) == (done["verdicts"], [each["seconds"] for each in done["steps"]])
    assert done["requested_at"] < done["started_at"] < done["finished_at"]
    assert [run] == [each["id"] for each in api.call("reader", "GET", RUNS)]
    assert [] == api.call("reader", "GET", RUNS, params={"state": "failed,lost"})


def test_one_key_is_one_run(api: Any, jobs: Jobs) -> None:
    """Of ten calls at once one makes it; another reason, caller or pipeline is another matter."""
    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(lambda _: post(api, "a-key"), range(10)))
    refused, other = post(api, "a-key", reason="another"), post(api, "a-key", caller="approver")
    begin(api, answers[0][1]["job"])
    report(api, answers[0][1]["id"], 1, end={"state": "failed", "exit_code": 2})
    late = post(api, "a-key")

    assert [200] * 9 + [202] == sorted(code for code, _ in answers)
    assert 1 == len({run["id"] for _, run in answers})
    assert (409, "Idempotency-Key") == (refused[0], refused[1]["field"])
    assert (202, False) == (other[0], other[1]["id"] == answers[0][1]["id"])
    assert [answers[0][1]["job"], other[1]["job"]] == jobs.started
    assert (200, "failed", 2) == (late[0], late[1]["state"], late[1]["exit_code"])


def test_a_call_that_was_killed_is_made_up_for(
    api: Any, jobs: Jobs, look: Any, pool: PrimaryPool
) -> None:
    """Between record and start, or after the start: the next call starts it, or the data API does.

    Never twice. One without a key is lost: whoever asked may have asked again.
    """
    jobs.cut = Unavailable("the answer is lost")
    lost_answer = post(api, "cut-after")
    jobs.cut = None
    again = post(api, "cut-after")
    jobs.failure = Unavailable("the cluster is away")
    before = [post(api, key)[0] for key in ("cut-before", "never-again", "")]
    jobs.failure = None
    begun = post(api, "cut-before")
    age(api, 20)
    look()
    look()
    found = {run["key"]: run for run in api.call("reader", "GET", RUNS)}

    assert (503, 200) == (lost_answer[0], again[0])
    assert [503, 503, 503] == before
    assert 200 == begun[0]
    assert sorted(found[key]["job"] for key in ("cut-after", "cut-before", "never-again")) == (
        sorted(jobs.started)
    )
    assert ("lost", "it was never started") == (
        found[""]["state"], found[""]["failure"]["message"],
    )  # fmt: skip
    assert {"waiting"} == {found[key]["state"] for key in found if key}


def test_a_run_that_can_not_be_started_gives_its_key_back(api: Any, jobs: Jobs) -> None:
    """Its record says why; once that is mended, the same key starts another."""
    jobs.failure = UnknownName("there is no CronJob", field="pipeline")
    refused = post(api, "a-key")
    jobs.failure = None
    code, run = post(api, "a-key")
    first = api.call("reader", "GET", RUNS)[-1]

    assert (404, 202) == (refused[0], code)
    assert ("failed", "UnknownName", "") == (
        first["state"], first["failure"]["kind"], first["key"],
    )  # fmt: skip
    assert [run["job"]] == jobs.started


def test_a_run_that_nobody_asked_for_is_recorded_with_its_lease(api: Any, jobs: Jobs) -> None:
    """A Job of the schedule or of kubectl, or a process without one; a lost answer is no other."""
    scheduled = begin(api, "mlplatform-trainer-manual-one-29000")
    again = begin(api, "mlplatform-trainer-manual-one-29000")
    report(api, again, 1, end={"state": "succeeded", "exit_code": 0})
    release(api)
    plain = begin(api, "", holder="an older trainer")
    found = {run["id"]: run for run in api.call("reader", "GET", RUNS)}

    assert scheduled == again
    assert {scheduled, plain} == set(found)
    assert ("succeeded", "its own", "trainer") == tuple(
        found[scheduled][key] for key in ("state", "reason", "caller")
    )
    assert "running" == found[plain]["state"]


def test_a_job_that_finds_the_lease_held_ends_with_that(api: Any, jobs: Jobs) -> None:
    """Its record says so, with exit code 4, whether anybody had asked for it or not."""
    _, asked = post(api)
    begin(api, "first")
    for job in (asked["job"], "scheduled"):
        with pytest.raises(LeaseHeld, match="being trained by 'pod'"):
            begin(api, job, holder="another pod")
    with pytest.raises(LeaseHeld):
        api.call("trainer", "POST", RUNS, json=WHY)
    found = {run["job"]: run for run in api.call("reader", "GET", RUNS)}

    assert {asked["job"], "scheduled", "first"} == set(found)
    for job in (asked["job"], "scheduled"):
        assert ("failed", 4, "LeaseHeld") == (
            found[job]["state"], found[job]["exit_code"], found[job]["failure"]["kind"],
        )  # fmt: skip
    assert asked["id"] == found[asked["job"]]["id"]


def test_a_second_pod_of_a_job_leaves_the_run_of_the_first(api: Any, jobs: Jobs) -> None:
    """While the first one holds the lease its record goes on; there is no other."""
    begin(api, "first")
    with pytest.raises(LeaseHeld, match="being trained by 'pod'"):
        begin(api, "first", holder="another pod")
    found = api.call("reader", "GET", RUNS)

    assert [("first", "running")] == [(run["job"], run["state"]) for run in found]


def test_reports_are_in_order_and_of_the_run_itself(api: Any) -> None:
    """One that comes late changes nothing, nor one after the end; of another run it is refused."""
    run = begin(api, "a-job")
    report(api, run, 2, version="3")
    late = report(api, run, 1, version="2", outcome="champion")
    with pytest.raises(Forbidden, match="of itself"):
        report(api, "f" * 32, 3)
    with pytest.raises(Forbidden):
        api.call("trainer", "PUT", f"{RUNS}/{run}/report", json={"number": 3})
    with pytest.raises(InvalidInput, match="nonsense"):
        report(api, run, 3, nonsense=1)
    report(api, run, MOST_REPORTS, end={"state": "failed", "exit_code": 6})
    release(api)
    with pytest.raises(Unauthenticated):
        report(api, run, MOST_REPORTS, version="4")
    done = show(api, run)

    assert ("3", "") == (late["version"], late["outcome"])
    assert ("failed", "3", 6) == (done["state"], done["version"], done["exit_code"])


def test_waiting_ends_with_a_change_or_the_end(api: Any, wait: Any) -> None:
    """Fifty wait at once, each with a call of its own, while others are answered at once.

    Who has seen the present state waits for the next; without `seen` for the end.
    """
    run = begin(api, "a-job")
    seen = show(api, run)["changes"]
    with ThreadPoolExecutor(51) as threads:
        waiting = [threads.submit(show, api, run, wait=60, seen=seen) for _ in range(50)]
        ended = threads.submit(show, api, run, wait=60)
        time.sleep(1.5)
        begun = time.monotonic()
        outcome = api.raw("reader", "GET", RUNS).status_code
        answered_s = time.monotonic() - begun
        early = [call for call in (*waiting, ended) if call.done()]
        report(api, run, 1, version="3")
        versions = {call.result(30)["version"] for call in waiting}
        between = ended.done()
        report(api, run, 2, end={"state": "succeeded", "exit_code": 0})
        last = ended.result(30)
    short = show(api, run, wait=60)  # it has ended: no waiting

    assert ([], 200, {"3"}, False) == (early, outcome, versions, between)
    assert answered_s < 5
    assert ("succeeded", "succeeded") == (last["state"], short["state"])
    with pytest.raises(UnknownName, match="has no run"):
        show(api, "f" * 32, wait=1)


def test_a_run_whose_process_vanished_is_lost(api: Any, jobs: Jobs, look: Any) -> None:
    """Only once it has neither lease nor living Job; what was known of it stays.

    A Job that ended well has succeeded, though its last report was lost.
    """
    _, asked = post(api)
    run = begin(api, asked["job"])
    report(api, run, 1, steps=[{"step": "tune"}], version="3")
    look()
    holding = show(api, run)["state"]
    release(api)
    look()
    living = show(api, run)["state"]
    jobs.turn(asked["job"], "failed", failure="Killed")
    look()
    gone = show(api, run)
    begin(api, "second")
    jobs.turn("second", "succeeded")
    release(api)
    look()

    assert ("running", "running") == (holding, living)
    assert ("lost", 5, "3", "tune") == tuple(
        gone[key] for key in ("state", "exit_code", "version", "step")
    )
    assert "its process vanished in step tune, and said last: Killed" == gone["failure"]["message"]
    assert ("succeeded", 0) == tuple(show(api, "second")[key] for key in ("state", "exit_code"))


def test_a_job_that_never_began_ends_its_run(api: Any, jobs: Jobs, look: Any) -> None:
    """One that failed before it took the lease; one that somebody has deleted, after a minute.

    A Job that comes to life later begins no run that was given up.
    """
    (_, failed), (_, deleted), (_, waits) = post(api), post(api), post(api)
    jobs.turn(failed["job"], "failed", failure="no such image")
    del jobs.known[deleted["job"]]
    look()
    early = show(api, deleted["id"])["state"]
    age(api, 70)
    look()
    with pytest.raises(CutShort, match="was lost before it began"):
        begin(api, deleted["job"])

    assert "waiting" == early
    assert ["failed", "lost", "waiting"] == [
        show(api, run["id"])["state"] for run in (failed, deleted, waits)
    ]
    assert "no such image" == show(api, failed["id"])["failure"]["message"]


def test_a_run_is_cancelled(api: Any, jobs: Jobs, look: Any) -> None:
    """One that waits at once, and its Job begins nothing; another hears of it with its lease.

    However that one ends then, unless it was faster: cancelled.
    """
    _, waits = post(api)
    cancelled = api.call("approver", "POST", f"{RUNS}/{waits['id']}/cancel")
    with pytest.raises(CutShort, match="was cancelled before it began"):
        begin(api, waits["job"])
    run = begin(api, "a-job")
    api.call("trainer", "POST", f"{RUNS}/a-job/cancel")
    renewed = api.call("run of manual-one", "PUT", LEASE, json={"ttl_s": 60})
    still = show(api, run)
    release(api)
    look()
    ended = show(api, run)
    with pytest.raises(Refused, match="was cancelled"):
        api.call("trainer", "POST", f"{RUNS}/{run}/cancel")
    with pytest.raises(Forbidden):
        api.call("reader", "POST", f"{RUNS}/{run}/cancel")

    assert ("cancelled", 6, "approver") == tuple(
        cancelled[key] for key in ("state", "exit_code", "cancelled_by")
    )
    assert ("trainer", "running") == (renewed["cancelled_by"], still["state"])
    assert ("cancelled", 6, "Cancelled") == (
        ended["state"], ended["exit_code"], ended["failure"]["kind"],
    )  # fmt: skip


def test_a_real_process_is_started_seen_and_ended(
    databases: Any, tmp_path: Any, start: Any, wait: Any
) -> None:
    """A run becomes a child process with the trainer's own environment; its end is its record's.

    Its log holds what it wrote.
    """
    script = "import os, sys; print(sys.argv[1:], sorted(os.environ)); sys.exit(3)"
    api = start(databases, tmp_path, argv=(sys.executable, "-I", "-c", script))
    run = api.call("approver", "POST", RUNS, json=WHY)
    ended = api.call("reader", "GET", f"{RUNS}/{run['id']}", params={"wait": 60})
    log = (tmp_path / "logs" / f"trainer-{run['job']}.log").read_text()

    assert ("failed", "approver", "NotBegun") == (
        ended["state"], ended["caller"], ended["failure"]["kind"],
    )  # fmt: skip
    why = "--why=new labels (requested by approver)"
    assert f"['manual-one', '--job={run['job']}', '{why}']" in log
    assert "MLPLATFORM_DATAAPI__URL" in log
    assert "PATH" not in log
    with pytest.raises(Forbidden):
        api.call("reader", "POST", RUNS, json=WHY)
    assert [("approver", run["id"])] == [
        (entry["caller"], entry["detail"]["run"])
        for entry in api.ledger(action="run", outcome="ok")
    ]


def test_a_record_is_kept_though_its_start_is_killed(
    api: Any, jobs: Jobs, pool: PrimaryPool
) -> None:
    """Whatever ends the process between record and start: the record is there before."""

    class Killed(BaseException):
        """As SIGKILL: nothing after it is run."""

    jobs.failure = Killed()  # type: ignore[assignment]
    handler = Runs(pool, api.collaborators.runs._audit, jobs)
    caller = api.collaborators.access.authenticate("Bearer token-trainer")
    with pytest.raises(Killed):
        handler.start(caller, "manual-one", RunRequest(reason="new labels"), key="k")
    jobs.failure = None
    code, run = post(api, "k")
    with pool.transaction() as connection:
        (only,) = records.some(connection, "manual-one", None, limit=9)

    assert (200, [run["job"]], only.id) == (code, jobs.started, run["id"])


def test_records_are_removed_after_their_days(api: Any, pool: PrimaryPool) -> None:
    """Some a call; not one that has not ended, nor one that ended later."""
    for number in range(3):
        run = begin(api, f"job-{number}")
        if number < 2:
            report(api, run, 1, end={"state": "failed", "exit_code": 2})
            release(api)
    moment = datetime.now(UTC) + timedelta(minutes=1)
    with pool.transaction() as connection:
        early = records.remove(
            connection, "manual-one", moment - timedelta(days=1), most=9, remove=True
        )
        counted = records.remove(connection, "manual-one", moment, most=1, remove=False)
        one = records.remove(connection, "manual-one", moment, most=1, remove=True)
        more = records.remove(connection, "manual-one", moment, most=9, remove=True)
        left = records.some(connection, "manual-one", None, limit=9)

    assert (0, 2, 1, 1) == (early.items, counted.items, one.items, more.items)
    assert counted.size == one.size + more.size > 0
    assert ["job-2"] == [each.job for each in left]
