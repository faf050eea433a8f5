"""What commands print: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlplatform.errors import PlatformError

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

WIDTH = 10_000  # of what is no terminal: a script reads lines whole
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def console(*, stderr: bool = False) -> Console:
    """A console that knows whether it is a terminal.

    Elsewhere lines are never broken: a script reads them.
    """
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False, soft_wrap=True)
    return (
        made
        if made.is_terminal
        else Console(stderr=stderr, highlight=False, soft_wrap=True, width=WIDTH)
    )


def quiet_logs() -> None:
    """Let this process log to stderr, and only what a person must know: results stay alone on stdout."""
    from mlplatform import telemetry
    from mlplatform.settings import TelemetrySettings

    telemetry.configure(TelemetrySettings(log_level="warning", log_format="console"), process="cli")


def complain(error: PlatformError) -> None:
    """One red line: where, what, and what to do about it."""
    from rich.text import Text

    line = Text()
    line.append("error: ", "bold red")
    where = f"{error.field}: " if error.field and not error.message.startswith(error.field) else ""
    line.append(f"{where}{error.message}", "red")
    if error.fix:
        line.append(f"\n  → {error.fix}")
    console(stderr=True).print(line)


def emit(document: Any) -> None:
    """Print a document as JSON."""
    print(json.dumps(document, indent=2, default=_plain))


def _plain(value: Any) -> Any:
    """A record as the server sent it, anything else (paths, times) as its text."""
    from pydantic import BaseModel

    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return str(value)


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table: with rules on a terminal, tab-free aligned text elsewhere."""
    from rich import box
    from rich.table import Table

    made = Table(
        *headings,
        box=box.SIMPLE_HEAD if sys.stdout.isatty() else None,
        pad_edge=False,
        header_style="bold",
    )
    for row in rows:
        made.add_row(*("" if cell is None else str(cell) for cell in row))
    console().print(made)


def figures(metrics: dict[str, Any]) -> str:
    """Metrics in a line: `roc_auc 0.993, log_loss 0.08`."""
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in metrics.items()
    )


def read_text(path: Path) -> str:
    """The text of a file, or of standard input for `-`. Raises SettingsError when there is none."""
    from mlplatform.errors import SettingsError

    if str(path) == "-":
        return sys.stdin.read()
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"can't read {path}: {error}", field="FILE") from error
