"""The whole platform on this machine: up, down, status, logs, and the demo that checks every claim."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlplatform.cli.local_stack import find as local
from mlplatform.cli.options import AsJson, Home
from mlplatform.cli.output import emit, table
from mlplatform.cli.process import quiet_logs

if TYPE_CHECKING:
    from mlplatform.local.stack import LocalStack, Options
    from mlplatform.local.state import State
    from mlplatform.local.tour.reporting import Reporter
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

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, `mlplatform down`, a closed terminal."""

STOP_S = 120.0
"""Longest that `down` waits: the drains of serving and shipper, then the servers, each with its own grace."""


app = typer.Typer()


def _refuse_former_name(former: bool | None) -> None:
    """`--tour` was once called `--road`."""
    if former is not None:
        raise typer.BadParameter(f"use {'--tour' if former else '--no-tour'}, its new name")


@app.command()
def up(
    *,
    home: Home = None,
    queue: Queue = "sqlite",
    source: SourceAt = None,
    working_tree: WorkingTree = False,
    tour: Annotated[
        bool,
        typer.Option(
            "--tour/--no-tour",
            help="Take the tour of the example pipelines: import, train, serve, label, retrain.",
        ),
    ] = True,
    _road: Annotated[
        bool | None,
        typer.Option("--road/--no-road", hidden=True, callback=_refuse_former_name),
    ] = None,
    postgres: Programs = None,
    as_json: AsJson = False,
) -> None:
    """Start everything and take the tour of the example pipelines; stays until Ctrl-C or `mlplatform down`. Data is kept."""
    from mlplatform.cli.summary import show

    quiet_logs()
    options = _options(home, queue, source, working_tree, postgres)
    with (
        _interrupted_by_signals(),
        _running(options, tour=tour) as (stack, summary),
        contextlib.suppress(KeyboardInterrupt),
    ):
        if as_json:
            emit(summary.document())
            sys.stdout.flush()
        else:
            show(summary, home=options.home)
        stack.stay()


@app.command()
def demo(
    *,
    home: Annotated[
        Path | None,
        typer.Option("--home", help="Folder to use and keep; empty: .mlplatform/demo, made anew."),
    ] = None,
    queue: Queue = "sqlite",
    source: SourceAt = None,
    working_tree: WorkingTree = False,
    postgres: Programs = None,
    as_json: AsJson = False,
) -> None:
    """Take the whole tour from nothing, check every claim, and stop.

    Ends with 1 when anything is wrong.
    """
    from mlplatform.cli.summary import show
    from mlplatform.local import state

    quiet_logs()
    place = home or Path.cwd() / state.FOLDER / "demo"
    options = _options(place, queue, source, working_tree, postgres)
    if home is None:
        remove(options.home)
    with _interrupted_by_signals(), _running(options, tour=True) as (_, summary):
        if as_json:
            emit(summary.document())
        else:
            show(summary, home=None)
    print("every claim of the tour holds", file=sys.stderr)


@app.command()
def down(*, home: Home = None) -> None:
    """Stop the stack that runs in another terminal.

    Everything that was accepted is stored first.
    """
    state = local(home)
    if state is None or not state.running:
        print("nothing is running")
        return
    os.kill(state.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_S
    while state.running:
        if time.monotonic() > deadline:
            os.kill(state.pid, signal.SIGKILL)  # its guard ends what is left
        time.sleep(0.1)
    print(f"stopped; the data stays in {state.home}")


@app.command()
def status(*, home: Home = None, as_json: AsJson = False) -> None:
    """Show the processes of the local stack and whether they answer.

    Ends with 1 when one is not well.
    """
    state = local(home)
    if state is None:
        print("there is no local stack here; `mlplatform up` starts one")
        raise typer.Exit(1)
    well = state.running and all(process.state == "ready" for process in state.processes.values())
    if as_json:
        emit(
            state.model_dump(mode="json")
            | {"running": state.running, "well": well, "versions": _versions(state)}
        )
    else:
        _print_status(state)
    if not well:
        raise typer.Exit(1)


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
    from mlplatform.cli.tail import print_logs
    from mlplatform.errors import Refused, UnknownName

    state = local(home)
    if state is None:
        raise Refused(
            "there is no local stack here", field="--home", fix="`mlplatform up` starts one"
        )
    found = {path.stem: path for path in sorted((state.home / "logs").glob("*.log"))}
    if process is not None and process not in found:
        raise UnknownName(
            f"no log of '{process}'", field="PROCESS", fix=f"one of {', '.join(found)}"
        )
    print_logs({process: found[process]} if process else found, lines=lines, follow=follow)


@app.command()
def clean(
    *,
    home: Home = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
) -> None:
    """Delete the data of the local stack, and of a demo: databases, models, requests that were stored. They must be stopped.

    Without --home, the stack of this folder; or of one above, which is asked about: with --yes,
    nobody looks above.
    """
    from mlplatform.errors import Refused
    from mlplatform.local import state

    above = () if yes else Path.cwd().parents
    places = [home] if home else [folder / state.FOLDER for folder in (Path.cwd(), *above)]
    place = next((folder.resolve() for folder in places if folder.is_dir()), None)
    if place is None:
        print("there is no local stack here")
        return
    if not (state.is_home(place) or state.is_home(place / "demo")):
        raise Refused(
            f"{place} holds no local stack",
            field="--home",
            fix="name the folder that `mlplatform up` made",
        )
    if not yes:
        typer.confirm(f"delete everything in {place}?", abort=True)
    if (place / "demo").is_dir():
        remove(place / "demo")
    remove(place)
    print(f"{place} is gone")


def remove(home: Path) -> None:
    """Delete a stack's folder, and the databases where they lie outside of it.

    Raises Refused while it runs.
    """
    import shutil

    from mlplatform.local import state
    from mlplatform.local.servers import postgres_files

    with state.hold(home):
        postgres_files.remove(home / "postgres")
        shutil.rmtree(home, ignore_errors=True)


def project(start: Path) -> Path:
    """The nearest folder, here or above, that has pipelines/. Raises Refused when there is none."""
    from mlplatform.errors import Refused

    for folder in (start, *start.parents):
        if (folder / "pipelines").is_dir():
            return folder
    raise Refused(
        "there is no folder pipelines/ here or above",
        field="--source",
        fix="go to the project, or name its git repository",
    )


def _options(
    home: Path | None, queue: str, source: str | None, working_tree: bool, postgres: Path | None
) -> Options:
    from mlplatform.local.stack import Options
    from mlplatform.local.state import FOLDER

    root = (
        Path(source)
        if source and Path(source).is_dir()
        else None
        if source
        else project(Path.cwd())
    )
    place = home or (root or Path.cwd()) / FOLDER
    if root is not None and not (root / ".git").exists() and not working_tree:
        working_tree = True  # an unpacked archive has no commits: the files are all there is
    return Options(
        home=place.resolve(),
        source=str(root.resolve()) if root else str(source),
        queue=queue,
        working_tree=working_tree,
        postgres=postgres,
    )


@contextmanager
def _running(options: Options, *, tour: bool) -> Iterator[tuple[LocalStack, Summary]]:
    """A started stack, after its tour if there is to be one; stopped when the block ends, with a line for the person who waits."""
    from mlplatform.cli.progress import reporter
    from mlplatform.local.stack import LocalStack

    report = reporter()
    began = time.monotonic()
    with _telling_the_end(report, options), LocalStack(options) as stack:
        try:
            with report.step("start the servers") as say:
                stack.listen(lambda status: say(f"{status.name} is {status.state}"))
                stack.start()
                stack.listen(None)
                say(", ".join(stack.pids()))
            yield stack, _summary(stack, report, began=began, tour=tour)
        finally:
            for (
                number
            ) in ENDING:  # a second one must not cut the drain short; every stop has its time limit
                signal.signal(number, signal.SIG_IGN)
            report.note("stopping …")


def _summary(stack: LocalStack, report: Reporter, *, began: float, tour: bool) -> Summary:
    from mlplatform.local.tour.summary import Summary
    from mlplatform.local.tour.tour import Tour

    if tour:  # begins while MLflow still starts
        return Tour(stack, report, began=began).run()
    stack.await_registry()
    seconds = time.monotonic() - began
    return Summary(
        urls=stack.state.urls,
        tokens_file=str(stack.secrets.tokens_file),
        ready_s=seconds,
        total_s=seconds,
        memory_bytes=stack.memory(),
    )


@contextmanager
def _telling_the_end(report: Reporter, options: Options) -> Iterator[None]:
    try:
        yield
    finally:
        report.note(f"stopped; the data stays in {options.home}")


@contextmanager
def _interrupted_by_signals() -> Iterator[None]:
    """Ctrl-C, `mlplatform down` and a closed terminal end the block in an orderly way, with the usual exit code of an interruption."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    for number in ENDING:
        signal.signal(number, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _versions(state: State) -> dict[str, str]:
    """Pipeline -> version that serving answers with; nothing while it does not answer."""
    import json
    from urllib.request import urlopen

    try:
        with urlopen(f"{state.urls['serving']}/v1/outbox", timeout=5) as answer:  # noqa: S310  (an http:// address of our own)
            return dict(json.load(answer)["versions"])
    except OSError:
        return {}


def _print_status(state: State) -> None:
    rows = [
        [
            name,
            process.state if state.running else "stopped",
            process.pid if state.running else None,
            process.restarts,
            process.log,
        ]
        for name, process in state.processes.items()
    ]
    table(("PROCESS", "STATE", "PID", "RESTARTS", "LOG"), rows)
    print()
    if not state.running:
        print(f"the stack in {state.home} is not running")
        return
    for name, url in state.urls.items():
        print(f"{name:<9} {url}")
    versions = ", ".join(f"{name} {version}" for name, version in _versions(state).items())
    print(f"versions  {versions or 'none answers yet'}")
    print(f"tokens    {state.home / 'secrets' / 'tokens.json'}")
