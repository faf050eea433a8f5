"""Deadlines, rates and a model that hangs, at a real serving process."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

FEATURES = b"""
import time
WAITS = {11.5: 4.0, 33.125: 1000.0}
def engineer(columns):
    time.sleep(max(WAITS.get(bmi, 0.005) for bmi in [0.0, *columns["bmi"].tolist()]))
    return dict(columns)
"""
LONG, HANGS = 11.5, 33.125
WAITING = 'mlplatform_serving_waiting_requests{pipeline="ward"} 1.0'


@pytest.fixture
def slow(
    platform: Any, serve: Callable[..., Any], scene: Any, tmp_path: Path
) -> Callable[..., Any]:
    """Start a process whose model runs in its thread, long for one value, for ever for another."""

    def start(**settings: str) -> Any:
        commit = scene.repository(tmp_path / "repository", {"ward": FEATURES})
        platform.promote(platform.publish("ward", "1", source=FEATURES, commit=commit))
        child = serve("ward", **settings)
        child.until("/readyz", 200)
        return child

    return start


def test_a_request_whose_time_is_over_while_it_waits_is_not_computed(
    slow: Callable[..., Any], scene: Any
) -> None:
    """504 at its deadline and no record; the one that had begun is answered, however late."""
    child = slow(SERVING__FEATURES_S="600")
    path, row = "/v1/models/ward/predict", scene.rows(1)[0]
    long, body = {"rows": [row | {"bmi": LONG}]}, {"rows": [row]}
    with ThreadPoolExecutor(2) as threads:
        in_time = child.http.post(path, json=body, headers={"x-request-timeout-ms": "60000"})
        begun = threads.submit(
            httpx.post,
            child.http.base_url.join(path),
            json=long,
            timeout=60,
            headers={**child.http.headers, "x-request-timeout-ms": "2000"},
        )
        scene.until(lambda: WAITING in child.http.get("/metrics").text, child.log)
        late = child.http.post(path, json=body, headers={"x-request-timeout-ms": "300"})
        computing = not begun.done()

    assert (200, 200, 504) == (in_time.status_code, begun.result().status_code, late.status_code)
    assert ("urn:mlplatform:DeadlinePassed", "x-request-timeout-ms") == (
        late.json()["type"],
        late.json()["field"],
    )
    assert computing
    assert [each.json()["id"] for each in (in_time, begun.result())] == [
        record.request_id for record in child.records()
    ]
    assert 'code="504"' in child.http.get("/metrics").text


@pytest.mark.parametrize("value", ["0", "-5", "1.5", "soon", "", "9999999999"])
def test_a_deadline_that_is_no_number_is_refused(shared: Any, scene: Any, value: str) -> None:
    """422 names the header; the connection stays usable."""
    answer = shared.http.post(
        "/v1/models/ward/predict",
        json={"rows": scene.rows(1)},
        headers={"x-request-timeout-ms": value},
    )

    assert (422, "x-request-timeout-ms") == (answer.status_code, answer.json()["field"])


def test_a_caller_above_its_rate_is_refused(
    platform: Any, serve: Callable[..., Any], scene: Any
) -> None:
    """Its burst passes; then 429 with Retry-After, and after that time it may go on."""
    platform.promote(platform.publish("ward", "1"))
    child = serve("ward", SERVING__RATE_PER_S="0.5", SERVING__BURST="3")
    child.until("/readyz", 200)

    answers = [child.predict("ward", scene.rows(1)) for _ in range(5)]
    codes = Counter(answer.status_code for answer in answers)
    refused = answers[-1]
    time.sleep(float(refused.headers["retry-after"]))

    assert codes[429] >= 1
    assert [200] * 3 == [answer.status_code for answer in answers[:3]]
    assert "sends more than 0.5 requests a second" in refused.json()["detail"]
    assert 200 == child.predict("ward", scene.rows(1)).status_code


def test_a_model_that_hangs_is_refused_and_its_process_ends(
    slow: Callable[..., Any], scene: Any
) -> None:
    """Who waits gets 503, readiness names the model, and the process ends and says why."""
    child = slow(SERVING__MODEL_HUNG_S="1.5", SERVING__FEATURES_S="600")
    row = scene.rows(1)[0]
    with ThreadPoolExecutor(3) as threads:
        waiting = [
            threads.submit(child.predict, "ward", [row | {"bmi": bmi}]) for bmi in (HANGS, 20.0)
        ]
        unready = child.until("/readyz", 503)
        answers = [each.result() for each in waiting]
        late = child.predict("ward", [row])

    assert [503] * 3 == [answer.status_code for answer in (*answers, late)]
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in (*answers, late))
    assert "'ward' does not respond" in unready.json()["detail"]
    assert 70 == child.process.wait(30)
    assert "a model that does not come back" in child.log()
    assert [] == child.records()
