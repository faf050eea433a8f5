"""What a stack does once a day."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from mlplatform.local import daily
from mlplatform.local.daily import DAY_S, Daily

NOTES = "import os, sys; open('runs', 'a').write(f'{os.getpid()}\\n'); print('said'); "


def _made(home: Path, code: str = "", *, every_s: float = DAY_S) -> Daily:
    (home / "logs").mkdir(exist_ok=True)
    whole = f"import os; os.chdir({str(home)!r}); {NOTES}{code}"
    return Daily(
        "chore", (sys.executable, "-c", whole), dict(os.environ), home=home, every_s=every_s
    )


def _runs(home: Path) -> list[int]:
    path = home / "runs"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def _wait_for(home: Path, count: int) -> list[int]:
    deadline = time.monotonic() + 30
    while len(_runs(home)) < count and time.monotonic() < deadline:
        time.sleep(0.02)
    return _runs(home)


def test_a_new_home_waits_a_day(tmp_path: Path) -> None:
    """Nothing is past its days in a stack that has just been made."""
    with _made(tmp_path) as chore:
        chore.begin()
        chore.begin()  # the tour may come by twice
        time.sleep(0.3)

    assert [] == _runs(tmp_path)
    assert (tmp_path / "chore.done").exists()


def test_a_home_that_was_closed_for_a_day_has_its_turn_at_once(tmp_path: Path) -> None:
    """Once: the next turn is a day after it. What the child says is in its log."""
    done = tmp_path / "chore.done"
    done.touch()
    os.utime(done, (time.time() - DAY_S - 60,) * 2)
    with _made(tmp_path) as chore:
        chore.begin()
        _wait_for(tmp_path, 1)
        deadline = time.monotonic() + 30
        while done.stat().st_mtime < time.time() - DAY_S and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.3)

    assert 1 == len(_runs(tmp_path))
    assert "said\n" == (tmp_path / "logs" / "chore.log").read_text()
    assert done.stat().st_mtime > time.time() - 60


def test_it_comes_again(tmp_path: Path) -> None:
    """Day after day."""
    with _made(tmp_path, every_s=0.05) as chore:
        chore.begin()
        found = _wait_for(tmp_path, 3)

    assert len(found) >= 3


def test_one_that_fails_is_tried_again_sooner_than_in_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A data API that is away at that moment costs an hour, not a day."""
    monkeypatch.setattr(daily, "AGAIN_S", 0.05)
    done = tmp_path / "chore.done"
    done.touch()
    long_ago = time.time() - 2 * DAY_S
    os.utime(done, (long_ago, long_ago))
    with _made(tmp_path, "sys.exit(3)") as chore:
        chore.begin()
        found = _wait_for(tmp_path, 2)

    assert len(found) >= 2
    assert pytest.approx(long_ago, abs=1) == done.stat().st_mtime


def test_the_end_of_the_stack_ends_a_child_at_work(tmp_path: Path) -> None:
    """Within a moment, and its turn comes again at the next start."""
    done = tmp_path / "chore.done"
    done.touch()
    long_ago = time.time() - 2 * DAY_S
    os.utime(done, (long_ago, long_ago))
    with _made(tmp_path, "import time; time.sleep(600)") as chore:
        chore.begin()
        (pid,) = _wait_for(tmp_path, 1)
        began = time.monotonic()

    assert time.monotonic() - began < daily.STOP_S
    assert not Path(f"/proc/{pid}").exists()
    assert pytest.approx(long_ago, abs=1) == done.stat().st_mtime
