"""A row is a feature row or in quarantine, never both, however often it is read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Good = Callable[..., dict[str, Any]]


def read_again(scene: Any, request_id: str, **row: Any) -> None:
    """Have etl read this request once more, and find another row in it than the first time."""
    inputs = json.dumps({name: [value] for name, value in row.items()})
    with scene.databases.connect("owner", "raw") as connection:
        connection.execute(
            "UPDATE raw.requests SET inputs = %s WHERE request_id = %s", (inputs, request_id)
        )
    with scene.databases.connect("owner", "warehouse") as connection:
        connection.execute("UPDATE warehouse.progress SET next_offset = 0")
    scene.drain()


def states(scene: Any, digest: str) -> list[tuple[str, bool]]:
    """(request, whether its entry is resolved)."""
    return [
        (entry["request_id"], entry["resolved_at"] is not None)
        for entry in scene.quarantine(digest)
    ]


@pytest.mark.parametrize("dropped", [False, True])
def test_a_row_that_is_good_when_it_is_read_again_leaves_quarantine(
    scene: Any, good: Good, dropped: bool
) -> None:
    """Its entry is resolved with the feature row, whatever a person had decided about it."""
    digest = scene.apply()
    bad, other = scene.serve([good(income=-1)], [good(income=-2)])
    scene.drain()
    if dropped:
        with scene.databases.connect("dataapi", "warehouse") as connection:
            connection.execute("UPDATE warehouse.quarantine SET dropped_at = now()")
    read_again(scene, bad, **good())

    assert [bad] == [str(row["request_id"]) for row in scene.features(digest)]
    assert [(bad, True), (other, False)] == states(scene, digest)


def test_a_row_that_is_bad_when_it_is_read_again_stays_a_feature_row(
    scene: Any, good: Good
) -> None:
    """Datasets hold it; counted as quarantined as well, the balance would be one row short."""
    digest = scene.apply()
    (request,) = scene.serve([good()])
    scene.drain()
    before = scene.features(digest)
    read_again(scene, request, **good(income=-1))

    assert before == scene.features(digest)
    assert [] == scene.quarantine(digest)


def test_a_redrive_that_is_killed_again_and_again_ends_as_one_would(
    scene: Any, good: Good, tmp_path: Path
) -> None:
    """Every row that is good now is a feature row once, every other one is open, none is lost."""
    digest = scene.apply()
    scene.serve(*([good(income=-1 - number)] * 10 for number in range(120)))
    scene.drain()
    with scene.databases.connect("owner", "raw") as connection:
        connection.execute(  # three rows of four are good now
            "UPDATE raw.requests SET inputs = replace(inputs::text, '-', '')::json"
            " WHERE log_offset % 4 > 0"
        )
    with scene.databases.connect("dataapi", "warehouse") as connection:
        connection.execute("UPDATE warehouse.quarantine SET redrive_at = now()")
    kills = 0
    for pause_s in (0.0, 0.01, 0.02, 0.03):
        done = len(scene.features(digest))
        process = scene.spawn(tmp_path / "etl.log", batch_rows=20)
        _until(lambda done=done: len(scene.features(digest)) > done)
        time.sleep(pause_s)
        process.kill()
        process.wait()
        kills += len(scene.features(digest)) < 900
    scene.drain()

    rows = [(row["request_id"], row["row"]) for row in scene.features(digest)]
    left = [entry for entry in scene.quarantine(digest) if entry["resolved_at"] is None]
    assert kills > 0
    assert (900, 900) == (len(rows), len(set(rows)))
    assert [None] * 300 == [entry["redrive_at"] for entry in left]
    assert {"raw": 1_200, "waiting": 0, "featured": 900, "quarantined": 300} == scene.balance(
        digest
    )


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
