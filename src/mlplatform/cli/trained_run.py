"""A run that a command waits for, with its steps on the terminal."""

from __future__ import annotations

from pathlib import Path

from mlplatform.cli.output import figures
from mlplatform.cli.terminal import console
from mlplatform.client import run_watch
from mlplatform.client.dataapi import DataApi
from mlplatform.cluster.local import environment
from mlplatform.cluster.run_log import Event
from mlplatform.contracts.run import Run
from mlplatform.errors import PlatformError, TryLater, UnknownName
from mlplatform.local.state import State
from mlplatform.local.training import TrainerChild, new_job, train

RECORD_S = 30.0
"""How long a run that has ended may take to say so."""
REPEATED = ("step begins", "proposed", "run failed", "process ended")
"""Events whose content stands in later lines too, or in the error; the log of the run has them."""
CONTEXT = ("event", "level", "timestamp", "process", "component", "run_id", "pipeline")
"""What stands in every event of a training, and needs no repetition on a terminal."""


def follow(api: DataApi, run: Run, timeout_s: float | None) -> Run:
    """Wait for a run that was started through the data API; its record when it has ended."""
    out, shown = console(stderr=True), 0
    if not run.final:
        out.print(f"waiting for run {run.id}")

    def show(now: Run) -> None:
        nonlocal shown
        ended = [step.model_dump() for step in now.steps if step.seconds is not None]
        for step in ended[shown:]:
            out.print(_line({"event": "step done", **step}))
        shown = len(ended)

    return run_watch.follow(api, run, timeout_s=timeout_s, on_change=show)


def train_here(
    api: DataApi, stack: State, name: str, why: str, *, imported: Path | None = None
) -> tuple[Run, PlatformError | None]:
    """A run as a child of this command: its record, and the last error if it failed.

    Raises that error when it has no record.
    """
    out, job = console(stderr=True), new_job(name)

    def show(event: Event) -> None:
        if line := _line(event):
            out.print(line)

    log, failure = stack.home / "logs" / f"trainer-{name}.log", None
    variables = environment(stack.home / "secrets" / "trainer.json")
    try:
        train(TrainerChild(name, job, why, imported), environment=variables, log=log, on_event=show)
    except PlatformError as error:
        failure = error
    try:
        return api.run(name, job, wait_s=RECORD_S), failure
    except (UnknownName, TryLater) as unknown:
        raise (failure or unknown) from unknown


def _line(event: Event) -> str:
    """An event as a person reads it; "" for one that others repeat."""
    text = event.get("event", "")
    if text == "step done":
        return f"{event['step']}  [dim]{event['seconds']:.1f} s[/dim]"
    if text in REPEATED:
        return ""
    rest = figures({key: value for key, value in event.items() if key not in CONTEXT})
    return f"{text}  [dim]{rest}[/dim]" if rest else str(text)
