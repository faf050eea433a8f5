"""The queue is lost, or comes back from an older copy, on the whole platform."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from answers import answered, line, stored
from load import until
from whole import Platform

from mlplatform.outbox.folder import segments

FRESH, WAITING, AFTER = 20, 12, 80
RESET = "mlplatform queue reset"
Answers = dict[str, list[object]]


@pytest.mark.parametrize("kind", ["new", "older"])
def test_another_queue_is_refused_until_a_reset(
    platform: Platform, tmp_path: Path, kind: str
) -> None:
    """It is said where people look; then each request is stored and featured, as it was answered.

    What only the lost queue held is sent again by the outbox. The older copy grows beyond what was
    stored before anybody acts.
    """
    before = _settled(platform)
    if kind == "older":
        _without_queue(platform, lambda: _copy(platform, tmp_path))
        before |= _settled(platform, FRESH)
    waiting = _not_stored(platform)
    _without_queue(platform, lambda: _replace(platform, tmp_path))
    after = answered(platform, AFTER)
    told = until(lambda: platform.admin.ready().get("queue"), "the consumer says why")
    known = stored(platform)
    pages = [_command(platform, name) for name in ("status", "doctor", "queue show")]
    refused = _command(platform, "queue reset")
    given_up = _command(platform, "queue reset --yes")
    until(lambda: (waiting | after).keys() <= stored(platform).keys(), "all are stored")
    until(platform.balance_closes, "and featured, and none is missing")
    rows = stored(platform)

    assert RESET in told
    assert [] == [page.stdout for page in pages if RESET not in " ".join(page.stdout.split())]
    assert [1, 1, 0] == [page.returncode for page in pages]
    assert (True, 0) == (refused.returncode != 0, given_up.returncode)
    assert not (waiting | after).keys() & known.keys()
    everything = before | waiting | after
    assert everything == {key: rows[key] for key in everything}
    assert {} == platform.admin.ready()


def test_what_nobody_holds_any_more_is_named(platform: Platform, tmp_path: Path) -> None:
    """Queue and outbox are lost: the numbers are missing until the old queue comes back."""
    home, before = platform.stack.options.home, _settled(platform)
    waiting = _not_stored(platform)
    numbers = platform.serving.outbox()

    def lose() -> None:
        shutil.move(home / "outbox", tmp_path / "outbox")
        _replace(platform, tmp_path)

    _without_queue(platform, lose)
    after = answered(platform, 5)
    until(lambda: platform.admin.ready().get("queue"), "the consumer says why")
    _command(platform, "queue reset --yes")
    until(lambda: after.keys() <= stored(platform).keys(), "the new answers are stored")
    gone = line(platform, numbers.outbox_id)
    balance = _command(platform, "balance")
    lost = waiting.keys() & stored(platform).keys()
    _without_queue(platform, lambda: _back(platform, tmp_path))
    until(lambda: platform.admin.ready().get("queue"), "the old queue is another one now")
    _command(platform, "queue reset --yes")
    until(lambda: waiting.keys() <= stored(platform).keys(), "what was lost is stored")
    until(platform.balance_closes, "and none is missing")
    rows = stored(platform)

    assert gone is not None
    assert [(numbers.accepted - WAITING + 1, numbers.accepted)] == gone.missing
    assert (0, False, 1) == (gone.in_flight, gone.whole, balance.returncode)
    assert set() == lost
    everything = before | waiting | after
    assert everything == {key: rows[key] for key in everything}


def _settled(platform: Platform, count: int = 5) -> Answers:
    """So many answered requests, all of them stored."""
    platform.await_version(platform.champion())
    found = answered(platform, count)
    until(lambda: found.keys() <= stored(platform).keys(), "the first answers are stored")
    until(platform.balance_closes, "and nothing is on its way")
    return found


def _not_stored(platform: Platform) -> Answers:
    """Answered requests that the queue has acknowledged and the database lacks."""
    platform.stack.supervisor.stop("consumer")
    while (found := _in_one_segment(platform)) is None:
        platform.stack.supervisor.start("consumer")
        _settled(platform)
        platform.stack.supervisor.stop("consumer")

    def acknowledged() -> bool:
        now = platform.serving.outbox()
        known = line(platform, now.outbox_id)
        return known is not None and known.acknowledged == now.acknowledged == now.accepted

    until(acknowledged, "the queue has them, and the data API knows")
    return found


def _in_one_segment(platform: Platform) -> Answers | None:
    """Answered requests that the outbox still holds when the queue has acknowledged them.

    None when a new segment began among them: the one before is given back then.
    """
    folder = platform.stack.options.home / "outbox"
    newest = segments(folder)[-1]
    found = answered(platform, WAITING)
    return found if segments(folder)[-1] == newest else None


def _without_queue(platform: Platform, work: Callable[[], object]) -> None:
    """Do it while nothing has the queue open; then everything runs again."""
    processes = platform.stack.supervisor
    processes.stop("serving", "shipper", "consumer")
    work()
    processes.start("consumer", "shipper", "serving")
    platform.await_version(platform.champion())


def _copy(platform: Platform, folder: Path) -> None:
    (folder / "older").mkdir()
    for path in platform.stack.options.home.glob("queue.sqlite*"):
        shutil.copy2(path, folder / "older")


def _replace(platform: Platform, folder: Path) -> None:
    """Let the older copy be the queue, if there is one, else nothing: then it is made anew."""
    (folder / "lost").mkdir()
    for path in platform.stack.options.home.glob("queue.sqlite*"):
        shutil.move(path, folder / "lost")
    for path in folder.glob("older/*"):
        shutil.copy2(path, platform.stack.options.home)


def _back(platform: Platform, folder: Path) -> None:
    """Let the queue be the lost one."""
    for path in platform.stack.options.home.glob("queue.sqlite*"):
        path.unlink()
    for path in folder.glob("lost/*"):
        shutil.copy2(path, platform.stack.options.home)


def _command(platform: Platform, words: str) -> subprocess.CompletedProcess[str]:
    home = str(platform.stack.options.home)
    return subprocess.run(
        [sys.executable, "-m", "mlplatform", *words.split(), "--home", home],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
