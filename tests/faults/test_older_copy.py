"""The outbox's folder comes back from an older copy, and from the newer one again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from answers import answered, line, put, stored
from load import until
from whole import Platform

LOST = 79


@pytest.mark.parametrize("running", [True, False])
def test_an_older_copy_of_the_outbox_gives_no_number_twice(
    platform: Platform, tmp_path: Path, running: bool
) -> None:
    """What only the lost folder held is named; every other answer is stored, once, as it was.

    The copy is made while serving runs, or while it stands still.
    """
    processes, folder = platform.stack.supervisor, platform.stack.options.home / "outbox"
    before = answered(platform, 5)
    until(lambda: before.keys() <= stored(platform).keys(), "the first answers are stored")
    processes.stop("serving")
    if not running:
        shutil.copytree(folder, tmp_path / "older")
    processes.start("serving")
    platform.await_version(platform.champion())
    first = platform.serving.outbox()
    processes.stop("shipper")
    if running:
        shutil.copytree(folder, tmp_path / "older")
    lost = answered(platform, LOST)
    until(
        lambda: (
            (found := line(platform, first.outbox_id)) is not None
            and found.accepted == first.accepted + LOST
        ),
        "the numbers are reported",
    )
    processes.stop("serving")
    shutil.copytree(folder, tmp_path / "newer")
    put(folder, tmp_path / "older")
    processes.start("shipper", "serving")
    platform.await_version(platform.champion())
    after = answered(platform, 20)
    second = platform.serving.outbox()
    until(lambda: after.keys() <= stored(platform).keys(), "the new answers are stored")

    def named() -> bool:
        found = line(platform, first.outbox_id)
        return found is not None and not found.in_flight and bool(found.missing)

    until(named, "what is lost is missing")
    gone = line(platform, first.outbox_id)
    assert gone is not None
    rows = stored(platform)
    assert first.outbox_id != second.outbox_id
    assert [(first.accepted + 1, first.accepted + LOST)] == gone.missing
    assert ([], False) == (gone.used_twice, gone.whole)
    assert before | after == {key: rows[key] for key in before | after}
    assert not lost.keys() & rows.keys()

    processes.stop("serving", "shipper")
    put(folder, tmp_path / "newer")
    processes.start("shipper", "serving")
    until(lambda: lost.keys() <= stored(platform).keys(), "what was lost is sent")
    until(platform.balance_closes, "the balance closes")
    rows = stored(platform)
    assert before | lost | after == {key: rows[key] for key in before | lost | after}
