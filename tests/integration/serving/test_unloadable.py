"""A version that can't be loaded, or is withdrawn, stops its own pipeline and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hostile_models
import httpx
import pytest
from children import children

SHORT = {"REGISTRY__LOAD_S": "3"}
ROW = {"size": 2.0, "mass": 1.0, "colour": "red"}


def _answers(child: Any, pipeline: str) -> tuple[int, str]:
    """Code of a prediction, with the version or the reason."""
    answer = child.predict(pipeline, [ROW])
    return answer.status_code, answer.json().get("version") or answer.json()["detail"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (hostile_models.endless(), "did not end within 3 s"),
        (hostile_models.greedy(), "more memory than 512 MiB"),
        (b"nonsense", "can't load the model"),
    ],
    ids=["endless", "greedy", "nonsense"],
)
def test_one_pipeline_that_cannot_be_loaded_takes_no_other_out_of_readiness(
    platform: Any, serve: Callable[..., Any], scene: Any, data: bytes, reason: str
) -> None:
    """The process is ready with the others, tells the one by name, and answers it with 503."""
    platform.promote(platform.publish("ward", "1"))
    platform.promote(platform.store("bad", "1", data))
    child = serve("ward", "bad", **SHORT)
    ready = child.until("/readyz", 200).json()
    metrics = child.http.get("/metrics").text

    assert ("degraded", ["bad"]) == (ready["status"], list(ready["degraded"]))
    assert reason in ready["degraded"]["bad"]
    assert "version 1 of 'bad'" in ready["degraded"]["bad"]
    assert 200 == child.predict("ward", scene.rows(1)).status_code
    assert (503, True) == (_answers(child, "bad")[0], reason in _answers(child, "bad")[1])
    assert 'mlplatform_serving_model_unloadable{pipeline="bad"} 1.0' in metrics


def test_a_process_that_can_load_nothing_is_not_ready(
    platform: Any, serve: Callable[..., Any], scene: Any
) -> None:
    """A rollout stops at it; the page says why."""
    platform.promote(platform.store("bad", "1", b"nonsense"))
    child = serve("bad", "unborn")
    scene.until(
        lambda: (
            "version 1 could not be loaded"
            in (child.page("/readyz", 503) or httpx.Response(200)).text
        ),
        child.log,
    )

    assert 503 == child.http.get("/readyz").status_code


def test_a_load_that_hangs_holds_up_neither_others_nor_later_promotions(
    platform: Any, serve: Callable[..., Any], scene: Any
) -> None:
    """The old version answers meanwhile, the others load theirs, and version 3 is taken up."""
    platform.promote(platform.publish("ward", "1"))
    platform.promote(platform.store("toys", "1", hostile_models.identity()))
    child = serve("ward", "toys", **SHORT)
    child.until("/readyz", 200)
    scene.until(lambda: _answers(child, "toys") == (200, "1"), child.log)
    platform.promote(platform.store("toys", "2", hostile_models.endless()))
    platform.promote(platform.publish("ward", "2", seed=7))
    scene.until(lambda: child.predict("ward", scene.rows(1)).json()["version"] == "2", child.log)
    scene.until(lambda: "degraded" in child.http.get("/readyz").json(), child.log)
    old = _answers(child, "toys")
    platform.promote(platform.store("toys", "3", hostile_models.identity()))
    scene.until(lambda: _answers(child, "toys") == (200, "3"), child.log)

    assert (200, "1") == old
    assert {"status": "ready"} == child.http.get("/readyz").json()
    assert 0 == child.stop()


def test_a_process_that_is_told_to_stop_does_not_wait_for_a_load(
    platform: Any, serve: Callable[..., Any], scene: Any
) -> None:
    """A load may take a minute; the process gives it up, and leaves no child behind."""
    platform.promote(platform.publish("ward", "1"))
    child = serve("ward", "toys", REGISTRY__LOAD_S="600")
    child.until("/readyz", 200)
    platform.promote(platform.store("toys", "1", hostile_models.endless()))
    scene.until(lambda: children(child.process.pid), child.log)
    trials = children(child.process.pid)
    left = child.stop()

    assert 0 == left
    scene.until(lambda: not any(scene.runs(pid) for pid in trials), child.log)


def test_a_withdrawn_version_serves_no_longer(
    platform: Any, serve: Callable[..., Any], scene: Any
) -> None:
    """503 with who withdrew it and why, also after a restart; the others stay; the next serves."""
    platform.promote(platform.publish("ward", "1"))
    first = platform.store("toys", "1", hostile_models.identity())
    platform.promote(first)
    child = serve("ward", "toys")
    child.until("/readyz", 200)
    scene.until(lambda: _answers(child, "toys") == (200, "1"), child.log)
    platform.withdraw(first, "wrong prices")
    scene.until(lambda: _answers(child, "toys")[0] == 503, child.log)
    reasons = [_answers(child, "toys")[1]]
    child.kill()
    platform.away = True
    child.start()
    child.until("/readyz", 200)
    away = _answers(child, "toys")[0]
    platform.away = False
    scene.until(lambda: "withdrawn" in _answers(child, "toys")[1], child.log)
    reasons.append(_answers(child, "toys")[1])
    platform.withdrawn.clear()
    platform.promote(platform.store("toys", "2", hostile_models.identity()))
    scene.until(lambda: _answers(child, "toys") == (200, "2"), child.log)

    assert (503, 200) == (away, child.predict("ward", scene.rows(1)).status_code)
    assert [True, True] == [
        "version 1 was withdrawn by ann: wrong prices" in each for each in reasons
    ]
