"""features.py that loops, holds the interpreter or ends its process for some rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Good = Callable[..., dict[str, Any]]
HOSTILE = """
import os
import numpy as np

def engineer(columns):
    for value in columns["children"].tolist():
        if value == 13:
            while True:
                pass
        if value == 14:
            sum(range(10**15))
        if value == 15:
            os._exit(3)
        if value == 16:
            os.kill(os.getpid(), 11)
    return {"heads": columns["children"] + 1}
"""
WHERE = "pipelines/loans/features.py"


def test_only_the_rows_that_do_not_come_back_are_quarantined(scene: Any, good: Good) -> None:
    """Each with its reason; every other row of its batch and request is featured."""
    values = [[1, 2], [13], [3], [14, 4], [5], [15], [6, 16, 7], [8]]
    digest = scene.apply(HOSTILE)
    ids = scene.serve(*[[good(children=value) for value in row] for row in values])
    scene.drain(scene.worker(features_s=0.5))

    featured = [(str(one["request_id"]), one["heads"] - 1) for one in scene.features(digest)]
    wanted = [(made, v) for made, row in zip(ids, values, strict=True) for v in row if v < 13]
    assert sorted(wanted) == sorted(featured)
    late, ended = f"{WHERE}: took longer than 0.5 s for these rows", f"{WHERE}: ended with "
    assert [
        (ids[1], 0, late),
        (ids[3], 0, late),
        (ids[5], 0, ended + "exit code 3 for these rows"),
        (ids[6], 1, ended + "SIGSEGV for these rows"),
    ] == [(one["request_id"], one["row"], one["reason"]) for one in scene.quarantine(digest)]


def test_other_pipelines_go_on_beside_one_that_does_not_come_back(scene: Any, good: Good) -> None:
    """A step of etl ends what runs too long once, and takes the others' batches too."""
    scene.apply(HOSTILE)
    quiet = scene.apply(None, name="quiet")
    scene.serve([good(children=13)], [good(children=1)], [good(children=13)])
    (request,) = scene.serve([good(children=2)], partition=1, pipeline="quiet")
    scene.worker(features_s=0.5).step()

    assert [request] == [str(one["request_id"]) for one in scene.features(quiet)]


def test_mended_code_takes_effect_at_once(scene: Any, good: Good) -> None:
    """Its digest is new, so the rows are read again and none is lost."""
    scene.apply(HOSTILE)
    (request,) = scene.serve([good(children=13), good(children=1)])
    worker = scene.worker(features_s=0.5)
    scene.drain(worker)
    mended = scene.apply(HOSTILE.replace("while True", "while False"))
    scene.drain(worker)

    found = [(str(one["request_id"]), one["heads"]) for one in scene.features(mended)]
    assert [(request, 14), (request, 2)] == found
