"""The terminal: a console for stdout or stderr, and errors as one red line."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from mlplatform.errors import PlatformError

WIDTH = 10_000  # elsewhere than on a terminal: a script reads lines whole


def console(*, stderr: bool = False) -> Console:
    """A console that breaks lines on a terminal only."""
    made = Console(stderr=stderr, highlight=False, soft_wrap=True)
    if made.is_terminal:
        return made
    return Console(stderr=stderr, highlight=False, soft_wrap=True, width=WIDTH)


def complain(error: PlatformError) -> None:
    """One red line: where, what, and what to do about it."""
    line = Text()
    line.append("error: ", "bold red")
    where = f"{error.field}: " if error.field and not error.message.startswith(error.field) else ""
    line.append(f"{where}{error.message}", "red")
    if error.fix:
        line.append(f"\n  → {error.fix}")
    console(stderr=True).print(line)
