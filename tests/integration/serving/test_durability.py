"""What a kill -9 of serving costs, whatever `serving.durability` is."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(
    "settings",
    [
        {"SERVING__DURABILITY": "sync"},
        {"SERVING__DURABILITY": "interval", "SERVING__DURABILITY_INTERVAL_MS": "10000"},
    ],
    ids=lambda settings: settings["SERVING__DURABILITY"],
)
def test_a_killed_process_loses_no_answered_request(
    settings: dict[str, str], serve: Any, scene: Any, platform: Any
) -> None:
    """What was answered is recorded in order, also what was not synced yet; numbers go on."""
    platform.promote(platform.publish("ward", "1"))
    child = serve("ward", **settings)
    child.until("/readyz", 200)
    told = [child.predict("ward", scene.rows(1, seed=number)).json()["id"] for number in range(30)]
    unsynced = len(child.records()) < 30
    child.kill()
    child.start()
    child.until("/readyz", 200)
    told.append(child.predict("ward", scene.rows(1, seed=30)).json()["id"])
    code = child.stop()
    records = child.records()

    assert (settings["SERVING__DURABILITY"] == "interval", 0) == (unsynced, code)
    assert told == [record.request_id for record in records]
    assert list(range(1, 32)) == [record.sequence for record in records]
    assert 1 == len({record.outbox_id for record in records})
