"""The two reporters: a live line with a spinner on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

from mlplatform.cli.terminal import console
from mlplatform.local.tour.reporting import Reporter, Say

QUIET_S = 10.0
"""A step that goes on prints a plain line at most this often: enough to show that it lives."""


def reporter() -> Reporter:
    """The reporter that suits where stderr goes; results stay alone on stdout."""
    out = console(stderr=True)
    return TerminalReporter(out) if out.is_terminal else PlainReporter()


class TerminalReporter:
    """A spinner with title, progress and seconds; one line stays when the step is over."""

    def __init__(self, out: Console) -> None:
        self._out = out

    @contextmanager
    def step(self, title: str) -> Iterator[Say]:
        """See `Reporter`."""
        began, last, over = time.monotonic(), [""], threading.Event()
        with self._out.status(escape(title)) as status:

            def show() -> None:
                while not over.wait(0.2):
                    reached = f"{escape(last[0])}  {time.monotonic() - began:.0f} s"
                    status.update(f"{escape(title)}  [dim]{reached}[/dim]")

            clock = threading.Thread(target=show, daemon=True)
            clock.start()
            try:
                yield lambda text: last.__setitem__(0, text)
            except BaseException:
                self._end("[red]✗[/red]", title, last[0], began)
                raise
            finally:
                over.set()
                clock.join()
        self._end("[green]✓[/green]", title, last[0], began)

    def note(self, text: str) -> None:
        """See `Reporter`."""
        self._out.print(f"  [yellow]{escape(text)}[/yellow]")

    def _end(self, sign: str, title: str, last: str, began: float) -> None:
        self._out.print(
            f"{sign} {escape(title)}  [dim]{escape(last)}  {time.monotonic() - began:.1f} s[/dim]"
        )


class PlainReporter:
    """A line when a step ends, and one now and then while it goes on."""

    @contextmanager
    def step(self, title: str) -> Iterator[Say]:
        """See `Reporter`."""
        began = spoken = time.monotonic()
        last = ""

        def say(text: str) -> None:
            nonlocal last, spoken
            if last and last != text and time.monotonic() - spoken > QUIET_S:
                spoken = time.monotonic()
                self.note(f"… {title}: {last}")
            last = text

        try:
            yield say
        except BaseException:
            self.note(f"FAILED {title}  {last}  {time.monotonic() - began:.1f} s")
            raise
        self.note(
            f"ok {title}" + (f": {last}" if last else "") + f"  {time.monotonic() - began:.1f} s"
        )

    def note(self, text: str) -> None:
        """See `Reporter`."""
        print(text, file=sys.stderr, flush=True)
