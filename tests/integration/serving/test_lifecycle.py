"""Versions come and go, processes die, disks fill up: what callers see meanwhile."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import httpx

SLOW = b"""
import time
def engineer(columns):
    time.sleep(0.05)
    return dict(columns)
"""
SLOWER = SLOW.replace(b"0.05", b"0.2")
FEATURES = b"""
def engineer(columns):
    load = columns["bmi"] * columns["dose"]
    return {"age": columns["age"], "load": load, "class": columns["class"]}
"""


class Load:
    """Callers in a closed loop until they are stopped; every response is kept."""

    def __init__(
        self, child: Any, pipeline: str, asked: list[dict[str, Any]], *, callers: int
    ) -> None:
        self.answers: list[tuple[int, dict[str, Any]]] = []
        self.broken: list[str] = []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(child, pipeline, row))
            for row in asked[:callers]
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _ask(self, child: Any, pipeline: str, row: dict[str, Any]) -> None:
        with httpx.Client(
            base_url=child.http.base_url, headers=child.http.headers, timeout=30
        ) as http:
            while not self._stop.is_set():
                try:
                    answer = http.post(f"/v1/models/{pipeline}/predict", json={"rows": [row]})
                except httpx.TransportError as error:
                    self.broken.append(repr(error))
                    return
                self.answers.append((answer.status_code, answer.json()))

    def codes(self) -> Counter[int]:
        """How often which code was answered."""
        return Counter(code for code, _ in self.answers)


def test_a_hot_swap_under_load_fails_no_request(
    platform: Any, serve: Callable[..., Any], scene: Any
) -> None:
    """All responses are 200, and each is the prediction of the version that it names."""
    one, two = platform.publish("ward", "1", seed=1), platform.publish("ward", "2", seed=50)
    platform.promote(one)
    child = serve("ward")
    child.until("/readyz", 200)
    asked = scene.rows(8)
    alone = {"1": [child.predict("ward", [row]).json()["probabilities"] for row in asked]}

    with Load(child, "ward", asked, callers=8) as load:
        scene.until(lambda: len(load.answers) > 200)
        platform.promote(two)
        scene.until(lambda: load.answers[-1][1].get("version") == "2", child.log)
        end = len(load.answers) + 200
        scene.until(lambda: len(load.answers) > end)
    alone["2"] = [child.predict("ward", [row]).json()["probabilities"] for row in asked]

    assert ([], {200}) == (load.broken, set(load.codes()))
    assert {"1", "2"} == {answer["version"] for _, answer in load.answers}
    assert all(answer["probabilities"] in alone[answer["version"]] for _, answer in load.answers)
    assert alone["1"] != alone["2"]


def test_a_flipped_byte_is_refused_and_the_old_version_keeps_answering(
    platform: Any, serve: Callable[..., Any], scene: Any
) -> None:
    """The damaged version is never loaded; that is counted and logged; once repaired, it serves."""
    platform.promote(platform.publish("ward", "1"))
    child = serve("ward")
    child.until("/readyz", 200)
    two = platform.publish("ward", "2", seed=9)
    model = platform.folder / two.artifacts / "model.onnx"
    whole = model.read_bytes()
    model.write_bytes(whole[:500] + bytes([whole[500] ^ 1]) + whole[501:])
    platform.promote(two)
    scene.until(
        lambda: (
            'load_failures_total{pipeline="ward",reason="ManifestMismatch"}'
            in child.http.get("/metrics").text
        )
    )

    assert "1" == child.predict("ward", scene.rows(1)).json()["version"]
    assert {"name": "ward", "ready": True} == child.http.get("/v2/models/ward/ready").json()
    assert "version could not be loaded" in child.log()

    model.write_bytes(whole)
    scene.until(lambda: child.predict("ward", scene.rows(1)).json()["version"] == "2", child.log)


def test_without_a_promotion_a_model_says_so(
    platform: Any, serve: Callable[..., Any], scene: Any
) -> None:
    """503 with the reason on that model; one that serves is enough for the process to be ready."""
    child = serve("ward", "unborn")
    scene.until(
        lambda: (
            "unborn: no version has been promoted"
            in (child.page("/readyz", 503) or httpx.Response(200)).text
        ),
        child.log,
    )
    platform.promote(platform.publish("ward", "1"))
    child.until("/readyz", 200)

    refused = child.predict("unborn", scene.rows(1))

    assert (503, True) == (refused.status_code, int(refused.headers["retry-after"]) >= 1)
    assert "no version has been promoted yet" in refused.json()["detail"]
    assert ["unborn"] == child.http.get("/v2/health/ready").json()["waiting_for_promotion"]
    assert 503 == child.http.get("/v2/models/unborn/ready").status_code
    assert 200 == child.predict("ward", scene.rows(1)).status_code


def test_a_restart_answers_while_everything_else_is_away(
    platform: Any, serve: Callable[..., Any], scene: Any, tmp_path: Path
) -> None:
    """The last good model and its features code are on disk: nothing else is needed."""
    commit = scene.repository(tmp_path / "repository", {"ward": FEATURES})
    platform.promote(platform.publish("ward", "1", source=FEATURES, commit=commit))
    child = serve("ward")
    child.until("/readyz", 200)
    before = child.predict("ward", scene.rows(3)).json()["probabilities"]
    child.stop()
    platform.away = True
    shutil.rmtree(tmp_path / "repository")
    shutil.rmtree(tmp_path / "source")

    child.start()
    child.until("/readyz", 200)

    assert before == child.predict("ward", scene.rows(3)).json()["probabilities"]
    scene.until(lambda: "starting with the last good model" in child.log(), child.log)


def test_a_damaged_copy_on_disk_is_refused_and_fetched_again(
    platform: Any, serve: Callable[..., Any], scene: Any, tmp_path: Path
) -> None:
    """With everything away a damaged cache serves nothing; the registry's copy serves later."""
    platform.promote(platform.publish("ward", "1"))
    child = serve("ward")
    child.until("/readyz", 200)
    child.stop()
    platform.away = True
    (model,) = (tmp_path / "cache" / "ward").glob("1-*/model.onnx")
    model.write_bytes(model.read_bytes()[:-1] + b"\0")

    child.start()
    scene.until(lambda: "the cached model is damaged" in child.log())
    assert 503 == child.until("/v2/models/ward/ready", 503).status_code

    platform.away = False
    child.until("/readyz", 200)
    assert 200 == child.predict("ward", scene.rows(1)).status_code


def test_features_that_are_not_the_recorded_ones_are_refused(
    platform: Any, serve: Callable[..., Any], scene: Any, tmp_path: Path
) -> None:
    """The commit's features.py must have the digest of the promotion record."""
    commit = scene.repository(tmp_path / "repository", {"ward": FEATURES + b"# edited\n"})
    platform.promote(platform.publish("ward", "1", source=FEATURES, commit=commit))
    child = serve("ward")

    scene.until(
        lambda: "DigestMismatch" in (child.page("/metrics", 200) or httpx.Response(200)).text,
        child.log,
    )

    assert "could not be loaded" in child.http.get("/readyz").json()["detail"]


def test_kill_9_loses_no_answered_request(
    platform: Any, serve: Callable[..., Any], scene: Any
) -> None:
    """Every request answered with 200 is in the outbox, and the numbers go on without a gap."""
    platform.promote(platform.publish("ward", "1"))
    child = serve("ward")
    child.until("/readyz", 200)

    with Load(child, "ward", scene.rows(8), callers=8) as load:
        scene.until(lambda: len(load.answers) > 300)
        child.kill()
    answered = {answer["id"] for code, answer in load.answers if code == 200}
    child.start()
    child.until("/readyz", 200)
    child.predict("ward", scene.rows(1))

    records = child.records()
    assert answered <= {record.request_id for record in records}
    assert list(range(1, len(records) + 1)) == [record.sequence for record in records]
    assert 1 == len({record.outbox_id for record in records})


def test_a_full_outbox_is_told_never_hidden(
    platform: Any, serve: Callable[..., Any], scene: Any
) -> None:
    """503 with Retry-After while nothing is shipped; what got 200 is stored; later 200 again."""
    platform.promote(platform.publish("ward", "1"))
    child = serve("ward", OUTBOX__SEGMENT_BYTES="65536", OUTBOX__CAPACITY_BYTES="131072")
    child.until("/readyz", 200)

    with Load(child, "ward", scene.rows(4), callers=4) as load:
        scene.until(lambda: load.codes()[503] > 20, child.log)
    refused = next(answer for code, answer in load.answers if code == 503)

    assert {200, 503} == set(load.codes())
    assert "urn:mlplatform:OutboxFull" == refused["type"]
    assert {answer["id"] for code, answer in load.answers if code == 200} == {
        record.request_id for record in child.records()
    }

    child.acknowledge()
    scene.until(lambda: child.predict("ward", scene.rows(1)).status_code == 200)


def test_overload_is_refused_at_once(
    platform: Any, serve: Callable[..., Any], scene: Any, tmp_path: Path
) -> None:
    """Too many waiting requests: 429 with Retry-After; the loop stays free for other pages."""
    commit = scene.repository(tmp_path / "repository", {"ward": SLOW})
    platform.promote(platform.publish("ward", "1", source=SLOW, commit=commit))
    child = serve("ward", SERVING__MAX_WAITING="2", SERVING__MAX_BATCH="1")
    child.until("/readyz", 200)

    with Load(child, "ward", scene.rows(8), callers=8) as load:
        scene.until(lambda: load.codes()[429] > 50 and load.codes()[200] > 3)
        started = time.monotonic()
        live = child.http.get("/v2/health/live").status_code
        seconds = time.monotonic() - started
    refused = child.http.get("/metrics").text

    assert (200, {200, 429}) == (live, set(load.codes()))
    assert 'code="429"' in refused
    assert seconds < 5


def test_a_slow_model_shares_its_calls(
    platform: Any, serve: Callable[..., Any], scene: Any, tmp_path: Path
) -> None:
    """Requests that arrive during a slow call are answered together by the next one."""
    commit = scene.repository(tmp_path / "repository", {"ward": SLOW})
    platform.promote(platform.publish("ward", "1", source=SLOW, commit=commit))
    child = serve("ward")
    child.until("/readyz", 200)

    with Load(child, "ward", scene.rows(8), callers=8) as load:
        scene.until(lambda: len(load.answers) > 80)

    page = child.http.get("/metrics").text
    calls = float(
        page.split('mlplatform_serving_batch_requests_count{pipeline="ward"} ')[1].split("\n")[0]
    )
    assert {200} == set(load.codes())
    assert calls < len(load.answers) / 2


def test_sigterm_finishes_running_requests_and_closes_the_outbox(
    platform: Any, serve: Callable[..., Any], scene: Any, tmp_path: Path
) -> None:
    """A request that runs at the signal is answered; the process reports and ends with 0."""
    commit = scene.repository(tmp_path / "repository", {"ward": SLOWER})
    platform.promote(platform.publish("ward", "1", source=SLOWER, commit=commit))
    child = serve("ward")
    child.until("/readyz", 200)
    answers: list[httpx.Response] = []
    caller = threading.Thread(target=lambda: answers.append(child.predict("ward", scene.rows(1))))
    caller.start()
    scene.until(
        lambda: (
            'waiting_requests{pipeline="ward"} 1.0'
            in httpx.get(f"{child.http.base_url}/metrics").text
        )
    )

    assert 0 == child.stop()
    caller.join()

    assert [200] == [answer.status_code for answer in answers]
    assert [answers[0].json()["id"]] == [record.request_id for record in child.records()]
    path, last = platform.heartbeats[-1]
    assert (path.removeprefix("/v1/outboxes/"), 1, False) == (
        child.records()[0].outbox_id,
        last["accepted"],
        last["closed"],
    )


def test_lingering_takes_requests_while_readiness_fails(
    platform: Any, serve: Callable[..., Any], scene: Any
) -> None:
    """Until the listener closes, readiness is 503, and responses close their connections."""
    platform.promote(platform.publish("ward", "1"))
    child = serve("ward", SERVING__LINGER_S="3")
    child.until("/readyz", 200)

    child.process.send_signal(signal.SIGTERM)
    child.until("/readyz", 503)
    answer = child.predict("ward", scene.rows(1))

    assert (200, "close") == (answer.status_code, answer.headers["connection"])
    assert 0 == child.process.wait(30)


def test_a_drained_outbox_is_reported_closed(
    platform: Any, serve: Callable[..., Any], scene: Any
) -> None:
    """The heartbeat reports numbers and versions, and at the end that nothing is left."""
    platform.promote(platform.publish("ward", "1"))
    child = serve("ward")
    child.until("/readyz", 200)
    child.predict("ward", scene.rows(1))
    scene.until(
        lambda: (
            platform.heartbeats[-1][1]["accepted"] == 1
            and platform.heartbeats[-1][1]["versions"] == {"ward": "1"}
        )
    )
    child.acknowledge()

    child.stop()

    assert (1, 1, True) == tuple(
        platform.heartbeats[-1][1][name] for name in ("accepted", "acknowledged", "closed")
    )


def test_half_a_body_is_sent_away(platform: Any, serve: Callable[..., Any], scene: Any) -> None:
    """A body that is too slow gets 408 and counts as a client that left; the next is answered."""
    platform.promote(platform.publish("ward", "1"))
    child = serve("ward", SERVING__RECEIVE_S="0.5")
    child.until("/readyz", 200)
    token = child.http.headers["authorization"]
    head = f"POST /v1/models/ward/predict HTTP/1.1\r\nhost: x\r\nauthorization: {token}\r\n"

    with socket.create_connection(("127.0.0.1", child.port), timeout=10) as slow:
        slow.sendall(f"{head}content-length: 100\r\n\r\n{{".encode())
        answer = slow.recv(65536)

    assert answer.startswith(b"HTTP/1.1 408 ")
    scene.until(
        lambda: 'requests_total{code="499",pipeline="ward"} 1.0' in child.http.get("/metrics").text
    )
    assert 200 == child.predict("ward", scene.rows(1)).status_code


def test_a_record_above_the_queues_limit_is_refused(
    platform: Any, serve: Callable[..., Any], scene: Any
) -> None:
    """What the queue would not take is refused, before or after the model, and never gets 200."""
    platform.promote(platform.publish("ward", "1"))
    child = serve("ward", QUEUE__MAX_RECORD_BYTES="4096")
    child.until("/readyz", 200)

    codes = [
        child.predict("ward", scene.rows(count)).status_code
        for count in (1, 45, 50, 55, 60, 300, 1)
    ]

    assert (200, 413, 413, 200) == (codes[0], codes[-3], codes[-2], codes[-1])
    assert codes.count(200) == len(child.records())
    assert all(len(json.dumps(record.inputs)) < 4096 for record in child.records())


def test_the_version_before_is_kept_and_older_ones_are_removed(
    platform: Any, serve: Callable[..., Any], scene: Any, tmp_path: Path
) -> None:
    """The cache holds what answers and what answered before it."""
    versions = [platform.publish("ward", number, seed=int(number)) for number in ("1", "2", "3")]
    platform.promote(versions[0])
    child = serve("ward")
    child.until("/readyz", 200)
    for version in versions[1:]:
        platform.promote(version)
        scene.until(
            lambda wanted=version.version: (
                child.predict("ward", scene.rows(1)).json()["version"] == wanted
            )
        )

    scene.until(
        lambda: {"2", "3"} == {path.name[0] for path in (tmp_path / "cache" / "ward").glob("*-*")}
    )
    assert (
        "3"
        == json.loads((tmp_path / "cache" / "ward" / "champion.json").read_text())["version"][
            "version"
        ]
    )


def test_another_models_folder_is_not_this_model(
    platform: Any, serve: Callable[..., Any], scene: Any
) -> None:
    """An intact folder of another pipeline is refused: the promotion record decides."""
    other = platform.publish("other", "1")
    platform.promote(other.model_copy(update={"pipeline": "ward"}))
    child = serve("ward")

    scene.until(
        lambda: "IntegrityFailure" in (child.page("/metrics", 200) or httpx.Response(200)).text,
        child.log,
    )
    assert 503 == child.predict("ward", scene.rows(1)).status_code
