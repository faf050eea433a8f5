"""How far an import is: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Self

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from mlplatform.cli.progress import QUIET_S
from mlplatform.cli.terminal import console
from mlplatform.client.importing import SentRows


class RowsProgress:
    """Shows each file with its rows and the rows a second; use as a context manager.

    `rows` counts those of all files. All goes to stderr; results stay alone on stdout.
    """

    def __init__(self) -> None:
        out = console(stderr=True)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[rows]}", markup=False),
            TimeElapsedColumn(),
        )
        self._bar = Progress(*columns, console=out) if out.is_terminal else None
        self._task: TaskID | None = None
        self._file = ""
        self._began = self._spoken = time.monotonic()
        self._before = self._last = 0

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    @property
    def rows(self) -> int:
        """Rows of all files so far."""
        return self._before + self._last

    def show(self, sent: SentRows) -> None:
        """Say how many rows were sent of a file."""
        if sent.file != self._file:
            self._before, self._file, self._task = self.rows, sent.file, None
        self._last = sent.rows
        speed = self.rows / max(0.001, time.monotonic() - self._began)
        of = "" if sent.of is None else f" of {sent.of:,}"
        line = f"{sent.rows:,}{of} rows, {speed:,.0f} rows/s"
        if self._bar is not None:
            if self._task is None:
                self._task = self._bar.add_task(sent.file, total=sent.of, rows="")
            self._bar.update(self._task, completed=sent.rows, rows=line)
        elif time.monotonic() - self._spoken > QUIET_S:
            self._spoken = time.monotonic()
            self.note(f"… {sent.file}: {line}")

    def note(self, text: str) -> None:
        """Print a line that stays."""
        if self._bar is not None:
            self._bar.console.print(text, markup=False)
        else:
            print(text, file=sys.stderr, flush=True)
