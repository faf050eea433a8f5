"""What ends a run from outside."""

from __future__ import annotations

import contextlib
import os
import signal
import threading

import pytest

from mlplatform.errors import Refused
from mlplatform.trainer.interrupt import (
    begin_time_limit,
    orderly_end,
    sleep_with_sigterm,
    without_sigterm,
)


def test_sigterm_unwinds() -> None:
    """SIGTERM becomes SystemExit, so that all is closed; the old handler is back afterwards."""
    before = signal.getsignal(signal.SIGTERM)

    def killed() -> None:
        with orderly_end():
            os.kill(os.getpid(), signal.SIGTERM)
            threading.Event().wait(5)

    with pytest.raises(SystemExit):
        killed()

    assert signal.getsignal(signal.SIGTERM) == before


def test_sigterm_is_taken_in_pauses_only() -> None:
    """What is sent while it is put off waits for the next pause, and comes there."""
    reached: list[str] = []

    def killed() -> None:
        with orderly_end(), without_sigterm():
            sleep_with_sigterm(0)
            # Other threads of the tests take what is sent to the process.
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
            reached.append("before the pause")
            try:
                sleep_with_sigterm(5)
            finally:
                reached.append("put off" if _is_put_off() else "taken")

    with pytest.raises(SystemExit):
        killed()

    assert ["before the pause", "put off"] == reached
    assert not _is_put_off()


def _is_put_off() -> bool:
    return signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_the_time_limit_is_no_error_that_a_search_could_swallow() -> None:
    """timeout_s ends a step even where every Exception is caught, as a refusal that names it."""

    def search() -> None:
        with orderly_end():
            begin_time_limit(0.05, "p", "run", grace_s=60)
            while True:
                with contextlib.suppress(
                    Exception
                ):  # as the search does with a combination that fails
                    threading.Event().wait(5)

    with pytest.raises(Refused, match="timeout_s"):
        search()
