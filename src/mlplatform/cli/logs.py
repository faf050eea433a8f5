"""`mlplatform logs`: what the processes of the local stack have logged."""

from __future__ import annotations

from typing import Annotated

import typer

from mlplatform.cli import local_stack
from mlplatform.cli.options import Home
from mlplatform.cli.tail import print_logs
from mlplatform.errors import UnknownName

app = typer.Typer()


@app.command()
def logs(
    process: Annotated[str | None, typer.Argument(help="Process; empty: all.")] = None,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come in.")] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", help="Lines of each log to begin with.")
    ] = 20,
    home: Home = None,
) -> None:
    """Print the logs of the local stack."""
    folder = local_stack.existing(home).home / "logs"
    found = {path.stem: path for path in sorted(folder.glob("*.log"))}
    if process is not None and process not in found:
        raise UnknownName(
            f"no log of '{process}'", field="PROCESS", fix=f"one of {', '.join(found)}"
        )
    print_logs({process: found[process]} if process else found, lines=lines, follow=follow)
