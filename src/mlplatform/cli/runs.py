"""Training runs: list, show and cancel them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, cast, get_args

import typer

from mlplatform.cli.connection import connect
from mlplatform.cli.options import AsJson, Home, Pipeline
from mlplatform.cli.output import emit, table
from mlplatform.contracts.run import Run, RunState
from mlplatform.errors import InvalidInput

RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or its Job's name.")]
States = Annotated[
    list[str] | None,
    typer.Option("--state", help="Only those in that state; may be given several times."),
]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=1_000, help="How many at most.")]
Wait = Annotated[float, typer.Option("--wait", min=0, max=300, help="Seconds to wait for its end.")]

app = typer.Typer(
    name="runs",
    no_args_is_help=True,
    help="Training runs: list, show or cancel them.",
)


@app.command("list")
def list_runs(
    name: Pipeline,
    *,
    states: States = None,
    limit: Limit = 20,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """List the runs of a pipeline, latest first."""
    with connect(home).dataapi() as api:
        found = api.runs(name, *_states(states or ()), limit=limit)
    if as_json:
        emit(found)
        return
    headings = ("RUN", "STATE", "STEP", "VERSION", "REQUESTED", "BY", "REASON")
    table(headings, [_line(run) for run in found])


@app.command()
def show(
    name: Pipeline, run: RunName, *, wait_s: Wait = 0.0, home: Home = None, as_json: AsJson = False
) -> None:
    """Show one run: its steps, what was found, and why it failed."""
    with connect(home).dataapi() as api:
        found = api.run(name, run, wait_s=wait_s)
    if as_json:
        emit(found)
        return
    facts = found.model_dump(mode="json", exclude={"steps", "verdicts", "failure", "changes"})
    shown = [(key, value) for key, value in facts.items() if value not in (None, "")]
    shown += [(f"step {each.step}", _seconds(each.seconds)) for each in found.steps]
    shown += [("holds" if each.passed else "FAILS", each.text) for each in found.verdicts]
    if found.failure is not None:
        fix = f" ({found.failure.fix})" if found.failure.fix else ""
        shown.append(("failure", f"{found.failure.kind}: {found.failure.message}{fix}"))
    table(("FIELD", "VALUE"), shown)


@app.command()
def cancel(name: Pipeline, run: RunName, *, home: Home = None, as_json: AsJson = False) -> None:
    """Have a run end in an orderly way; `runs show --wait` says when it has."""
    with connect(home).dataapi() as api:
        found = api.cancel_run(name, run)
    if as_json:
        emit(found)
    else:
        print(f"run {found.id} {'is cancelled' if found.final else 'will end'}")


def _states(given: Sequence[str]) -> list[RunState]:
    for each in given:
        if each not in get_args(RunState):
            raise InvalidInput(
                f"'{each}' is no state of a run",
                field="--state",
                fix=f"one of {', '.join(get_args(RunState))}",
            )
    return [cast("RunState", each) for each in given]


def _line(run: Run) -> tuple[str, ...]:
    asked = run.requested_at.isoformat(sep=" ", timespec="seconds")
    outcome = f"{run.version} {run.outcome}".strip()
    return (run.id, run.state, run.step, outcome, asked, run.caller, run.reason)


def _seconds(seconds: float | None) -> str:
    return "…" if seconds is None else f"{seconds:.1f} s"
