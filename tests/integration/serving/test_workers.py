"""Several serving processes behind one port, each with an outbox of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from children import children
from grpc_calls import Calls, infer

from mlplatform.contracts.request import RequestRecord, decode
from mlplatform.outbox import OutboxReader
from mlplatform.outbox import folder as files
from mlplatform.queue import open_consumer
from mlplatform.settings import QueueSettings

CALLERS = 16
DEADLINE_S = 60.0


class Load:
    """Callers that each send one request after the other, and connect anew every few requests."""

    def __init__(self, child: Any, row: dict[str, Any]) -> None:
        self.answered: list[str] = []
        self.codes: Counter[int] = Counter()
        self.broken: list[str] = []
        self._child, self._row = child, row
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(CALLERS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(DEADLINE_S)

    def _ask(self) -> None:
        while not self._over.is_set():
            with httpx.Client(
                base_url=self._child.http.base_url, headers=self._child.http.headers, timeout=30
            ) as http:
                for _ in range(20):
                    try:
                        answer = http.post("/v1/models/ward/predict", json={"rows": [self._row]})
                    except httpx.TransportError as error:
                        self.broken.append(repr(error))
                        break
                    self.codes[answer.status_code] += 1
                    if answer.status_code == 200:
                        self.answered.append(answer.json()["id"])
                    if self._over.is_set():
                        return


@pytest.fixture
def ship(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Start `mlplatform shipper` over the outbox of the test, into an embedded queue."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        environment = {
            "PATH": os.environ["PATH"],
            "MLPLATFORM_OUTBOX__FOLDER": str(tmp_path / "outbox"),
            "MLPLATFORM_QUEUE__URL": f"sqlite:///{tmp_path / 'queue.sqlite'}",
            "MLPLATFORM_QUEUE__PARTITIONS": "1",
        }
        argv = [sys.executable, "-m", "mlplatform", "shipper"]
        with (tmp_path / "shipper.log").open("ab") as log:
            started.append(subprocess.Popen(argv, env=environment, stdout=log, stderr=log))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def stored(home: Path) -> dict[str, list[RequestRecord]]:
    """What each outbox holds, by its folder's name."""
    found = {}
    for folder in files.outboxes(home / "outbox"):
        reader = OutboxReader.open(folder)
        found[folder.name] = [decode(each.payload) for each in reader.read(10**6, 1 << 30)]
        reader.close()
    return found


def queued(home: Path, count: int) -> list[str]:
    """Ids of the requests in the queue, once there are so many."""
    settings = QueueSettings(url=f"sqlite:///{home / 'queue.sqlite'}", partitions=1)
    consumer = open_consumer(settings, positions=lambda wanted: dict.fromkeys(wanted, 0))
    found: list[str] = []
    end = time.monotonic() + DEADLINE_S
    while len(found) < count and time.monotonic() < end:
        records = consumer.poll(timeout_s=0.2, max_records=1000)
        found += [decode(record.value).request_id for record in records]
    consumer.close()
    return found


def workers(child: Any) -> set[int]:
    """Process ids of the workers."""
    return children(child.process.pid)


def probe(child: Any) -> int:
    """The code of a readiness probe, which connects anew each time; 0 without an answer."""
    try:
        return httpx.get(f"{child.http.base_url}/readyz", timeout=0.5).status_code
    except httpx.TransportError:
        return 0


@pytest.fixture
def two(platform: Any, serve: Callable[..., Any]) -> Any:
    """Two workers that serve one model."""
    platform.promote(platform.publish("ward", "1"))
    child = serve("ward", SERVING__WORKERS="2", SERVING__LINGER_S="1.5")
    child.until("/readyz", 200)
    return child


def test_both_answer_and_everything_is_stored_once(
    two: Any, scene: Any, ship: Callable[[], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    """Each outbox numbers from 1 on under an identity of its own, and one shipper empties both."""
    with Load(two, scene.rows(1)[0]) as load:
        scene.until(lambda: len(load.answered) > 600, two.log)
    held = stored(tmp_path)
    records = [record for outbox in held.values() for record in outbox]
    ship()

    assert ([], {200}) == (load.broken, set(load.codes))
    assert ["worker-1", "worker-2"] == sorted(held)
    assert sorted(load.answered) == sorted(record.request_id for record in records)
    assert min(map(len, held.values())) > 60, "one of the two has hardly answered"
    for outbox in held.values():
        assert list(range(1, len(outbox) + 1)) == [record.sequence for record in outbox]
    assert 2 == len({record.outbox_id for record in records})
    assert sorted(load.answered) == sorted(queued(tmp_path, len(load.answered)))


def test_a_killed_worker_loses_nothing_and_comes_back(two: Any, scene: Any, tmp_path: Path) -> None:
    """The other goes on; what the killed one had answered is on disk; the pod is ready again."""
    with Load(two, scene.rows(1)[0]) as load:
        scene.until(lambda: len(load.answered) > 200, two.log)
        killed, other = sorted(workers(two))
        os.kill(killed, signal.SIGKILL)
        successor = scene.until(lambda: workers(two) - {killed, other}, two.log).pop()
        os.kill(successor, signal.SIGSTOP)  # it stays away until a probe has seen it
        scene.until(lambda: probe(two) == 503, two.log)
        os.kill(successor, signal.SIGCONT)
        before = len(load.answered)
        scene.until(lambda: len(load.answered) > before + 50, two.log)
        two.until("/readyz", 200)
        before = len(load.answered)
        scene.until(lambda: len(load.answered) > before + 400, two.log)
    held = stored(tmp_path)
    ids = [record.request_id for outbox in held.values() for record in outbox]

    assert {200} == set(load.codes)
    assert len(load.broken) <= CALLERS  # those that the killed one had under way
    assert len(ids) == len(set(ids))
    assert set(load.answered) <= set(ids)
    for outbox in held.values():
        assert list(range(1, len(outbox) + 1)) == [record.sequence for record in outbox]
    assert other in workers(two)
    assert 2 == len(workers(two))
    assert "a worker has ended, and is started again" in two.log()


def test_sigterm_under_load_fails_no_request(
    platform: Any,
    two: Any,
    scene: Any,
    ship: Callable[[], subprocess.Popen[bytes]],
    tmp_path: Path,
) -> None:
    """Both linger and drain; both outboxes are reported as closed, and the exit code is 0."""
    ship()
    with Load(two, scene.rows(1)[0]) as load:
        scene.until(lambda: len(load.answered) > 200, two.log)
        two.process.send_signal(signal.SIGTERM)
        scene.until(lambda: two.page("/readyz", 503), two.log)
        time.sleep(0.3)
    code = two.process.wait(DEADLINE_S)
    last = dict(platform.heartbeats)

    assert (0, [], {200}) == (code, load.broken, set(load.codes))
    assert sorted(load.answered) == sorted(queued(tmp_path, len(load.answered)))
    assert [True, True] == [beat["closed"] for beat in last.values()]
    assert len(load.answered) == sum(beat["accepted"] for beat in last.values())


def test_workers_end_when_their_parent_is_killed(two: Any, scene: Any) -> None:
    """Nobody would restart them or pass a signal on, and their outboxes would stay locked."""
    pids = workers(two)
    two.kill()

    scene.until(lambda: not any(scene.runs(pid) for pid in pids), two.log)

    assert "leaving, since the parent process has ended" in two.log()


def test_a_port_in_use_is_refused(two: Any) -> None:
    """Another one would share the requests, by mistake."""
    again = subprocess.run(
        [sys.executable, "-m", "mlplatform", "serving"],
        env=two.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )

    assert 1 == again.returncode
    assert "can't listen on 127.0.0.1" in again.stderr
    assert "MLPLATFORM_SERVING__PORT" in again.stderr


def test_each_worker_has_a_page_of_metrics(
    platform: Any, serve: Callable[..., Any], scene: Any, free: Callable[..., int]
) -> None:
    """Behind the shared port nobody knows whose numbers are shown."""
    base = free(3)
    platform.promote(platform.publish("ward", "1"))
    child = serve("ward", SERVING__WORKERS="1", TELEMETRY__METRICS_PORT=str(base))
    child.until("/readyz", 200)
    with pytest.raises(httpx.TransportError):  # a single process shows them on its only port
        httpx.get(f"http://127.0.0.1:{base + 1}/metrics")
    child.stop()
    child.environment["MLPLATFORM_SERVING__WORKERS"] = "2"
    child.start()
    child.until("/readyz", 200)
    child.predict("ward", scene.rows(1))
    pages = [httpx.get(f"http://127.0.0.1:{base + number}/metrics").text for number in (1, 2)]
    answered = [page.count('requests_total{code="200",pipeline="ward"} 1.0') for page in pages]

    assert 1 == sum(answered)


def test_both_answer_over_grpc(
    platform: Any, serve: Callable[..., Any], scene: Any, free: Callable[..., int], tmp_path: Path
) -> None:
    """The port is shared as that of HTTP is; neither worker finds it taken."""
    port = free()
    platform.promote(platform.publish("ward", "1"))
    child = serve("ward", SERVING__WORKERS="2", SERVING__GRPC_PORT=str(port))
    child.until("/readyz", 200)
    scene.until(lambda: child.log().count("gRPC listens") == 2, child.log)
    token = child.http.headers["authorization"].removeprefix("Bearer ")
    for _ in range(12):
        calls = Calls(port, token)
        calls.send("ModelInfer", infer(scene.rows(1)))
        calls.channel.close()
    held = stored(tmp_path)

    assert 12 == sum(map(len, held.values()))
    assert {"grpc"} == {record.dialect for outbox in held.values() for record in outbox}
    assert "the gRPC port can't be opened" not in child.log()


@pytest.mark.parametrize(("before", "after"), [("3", "1"), ("1", "2")])
def test_what_another_number_of_workers_left_is_shipped_and_closed(
    *,
    platform: Any,
    serve: Callable[..., Any],
    scene: Any,
    ship: Callable[[], subprocess.Popen[bytes]],
    tmp_path: Path,
    before: str,
    after: str,
) -> None:
    """Every outbox of before ends empty and reported as closed; requests are stored once."""
    platform.promote(platform.publish("ward", "1"))
    child = serve("ward", SERVING__WORKERS=before)
    child.until("/readyz", 200)
    with Load(child, scene.rows(1)[0]) as load:
        scene.until(lambda: len(load.answered) > 200, child.log)
    child.stop()
    former = {records[0].outbox_id for records in stored(tmp_path).values()}
    platform.heartbeats.clear()
    child.environment["MLPLATFORM_SERVING__WORKERS"] = after
    child.start()
    child.until("/readyz", 200)
    ship()

    assert sorted(load.answered) == sorted(queued(tmp_path, len(load.answered)))
    assert int(before) == len(former)
    scene.until(lambda: former <= closed(platform), child.log)
    assert 0 == child.stop()


def closed(platform: Any) -> set[str]:
    """Outboxes whose last report says that they are closed."""
    last = dict(platform.heartbeats)
    return {path.removeprefix("/v1/outboxes/") for path, beat in last.items() if beat["closed"]}
