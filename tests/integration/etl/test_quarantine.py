"""A row is a feature row or in quarantine, never both, however often it is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

Good = Callable[..., dict[str, Any]]


def read_again(scene: Any, request_id: str, **row: Any) -> None:
    """etl reads this request once more, and finds another row in it than the first time."""
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
