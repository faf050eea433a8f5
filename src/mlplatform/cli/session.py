"""A local stack that runs as long as a block, and what ends it."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from mlplatform.cli.progress import reporter
from mlplatform.local.stack import LocalStack, Options
from mlplatform.local.tour.reporting import Reporter
from mlplatform.local.tour.summary import Summary
from mlplatform.local.tour.tour import take_tour

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, `mlplatform down`, a closed terminal."""


@contextmanager
def running(options: Options, *, tour: bool) -> Iterator[tuple[LocalStack, Summary]]:
    """A started stack, after its tour if there is to be one; stopped when the block ends.

    The person who waits reads on stderr how far start and end are.
    """
    report = reporter()
    began, taken = time.monotonic(), False
    try:
        with LocalStack(options) as stack:
            taken = True
            try:
                _start(stack, report)
                yield stack, _summary(stack, report, began=began, tour=tour)
            finally:
                # A second signal must not cut the drain short; every stop has its time limit.
                for number in ENDING:
                    signal.signal(number, signal.SIG_IGN)
                report.note("stopping …")
    finally:
        if taken:  # else it is not ours: another program runs it, say
            report.note(f"stopped; the data stays in {options.home}")


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """End the block in an orderly way at Ctrl-C, `mlplatform down` and a closed terminal.

    The exit code is the usual one of an interruption.
    """

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    for number in ENDING:
        signal.signal(number, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _start(stack: LocalStack, report: Reporter) -> None:
    with report.step("start the servers") as say:
        stack.listen(lambda status: say(f"{status.name} is {status.state}"))
        stack.start()
        stack.listen(None)
        say(", ".join(stack.pids()))


def _summary(stack: LocalStack, report: Reporter, *, began: float, tour: bool) -> Summary:
    if tour:  # begins while MLflow still starts
        return take_tour(stack, report, began=began)
    stack.await_registry()
    seconds = time.monotonic() - began
    return Summary(
        urls=stack.state.urls,
        tokens_file=str(stack.secrets.tokens_file),
        ready_s=seconds,
        total_s=seconds,
        memory_bytes=stack.memory(),
    )
