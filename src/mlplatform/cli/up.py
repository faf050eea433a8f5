"""`mlplatform up` and `demo`: the whole platform on this machine."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from mlplatform.cli.clean import remove
from mlplatform.cli.options import AsJson, Home
from mlplatform.cli.output import emit
from mlplatform.cli.process import quiet_logs
from mlplatform.cli.project import project
from mlplatform.cli.session import interrupted_by_signals, running
from mlplatform.cli.summary import show
from mlplatform.local.raw_shards import MOST
from mlplatform.local.stack import Options
from mlplatform.local.state import FOLDER
from mlplatform.local.tour.summary import Summary

Queue = Annotated[
    str,
    typer.Option(
        "--queue", help="sqlite, kafka (a broker that the stack runs itself), or kafka://HOST:PORT."
    ),
]
SourceAt = Annotated[
    str | None,
    typer.Option("--source", help="Git repository with pipelines/; empty: the one of this folder."),
]
WorkingTree = Annotated[
    bool,
    typer.Option(
        "--working-tree", help="Use the files as they lie in the folder, not the last commit."
    ),
]
Programs = Annotated[
    Path | None,
    typer.Option("--postgres", help="Folder of PostgreSQL's programs; empty: the first one found."),
]

RawShards = Annotated[
    int | None,
    typer.Option(
        "--raw-shards",
        min=1,
        max=MOST,
        help="Raw servers that share the partitions of the queue; empty: as many as before, or 1. "
        "More can be added, none taken away.",
    ),
]
WithTour = Annotated[
    bool,
    typer.Option(
        "--tour/--no-tour",
        help="Take the tour of the example pipelines: import, train, serve, label, retrain.",
    ),
]
DemoHome = Annotated[
    Path | None,
    typer.Option("--home", help="Folder to use and keep; empty: .mlplatform/demo, made anew."),
]


def _refuse_former_name(former: bool | None) -> None:
    """`--tour` was once called `--road`."""
    if former is not None:
        raise typer.BadParameter(f"use {'--tour' if former else '--no-tour'}, its new name")


FormerTour = Annotated[
    bool | None, typer.Option("--road/--no-road", hidden=True, callback=_refuse_former_name)
]

app = typer.Typer()


@app.command()
def up(
    *,
    home: Home = None,
    queue: Queue = "sqlite",
    source: SourceAt = None,
    working_tree: WorkingTree = False,
    tour: WithTour = True,
    _former: FormerTour = None,
    postgres: Programs = None,
    raw_shards: RawShards = None,
    as_json: AsJson = False,
) -> None:
    """Start everything and take the tour of the example pipelines.

    Stays until Ctrl-C or `mlplatform down`. Data is kept.
    """
    quiet_logs()
    options = _options(home, queue, source, working_tree, postgres, raw_shards)
    with (
        interrupted_by_signals(),
        running(options, tour=tour) as (stack, summary),
        contextlib.suppress(KeyboardInterrupt),
    ):
        _print(summary, options.home, as_json=as_json)
        stack.stay()


@app.command()
def demo(
    *,
    home: DemoHome = None,
    queue: Queue = "sqlite",
    source: SourceAt = None,
    working_tree: WorkingTree = False,
    postgres: Programs = None,
    as_json: AsJson = False,
) -> None:
    """Take the whole tour from nothing, check every claim, and stop.

    Ends with 1 when anything is wrong.
    """
    quiet_logs()
    place = home or Path.cwd() / FOLDER / "demo"
    options = _options(place, queue, source, working_tree, postgres)
    if home is None:
        remove(options.home)
    with interrupted_by_signals(), running(options, tour=True) as (_, summary):
        _print(summary, None, as_json=as_json)
    print("every claim of the tour holds", file=sys.stderr)


def _print(summary: Summary, home: Path | None, *, as_json: bool) -> None:
    if as_json:
        emit(summary.document())
    else:
        show(summary, home=home)
    sys.stdout.flush()  # `up` stays, and a script that reads it waits for this


def _options(  # noqa: PLR0917  (as the options of the commands stand)
    home: Path | None,
    queue: str,
    source: str | None,
    working_tree: bool,
    postgres: Path | None,
    raw_shards: int | None = None,
) -> Options:
    """Raises Refused when no source was named and there is no project here."""
    folder = Path(source) if source else project(Path.cwd())
    rest = postgres, raw_shards
    if not folder.is_dir():  # the address of a repository
        place = home or Path.cwd() / FOLDER
        return Options(place.resolve(), str(source), queue, working_tree, *rest)
    # An unpacked archive has no commits: the files are all there is.
    working_tree = working_tree or not (folder / ".git").exists()
    place = home or folder / FOLDER
    return Options(place.resolve(), str(folder.resolve()), queue, working_tree, *rest)
