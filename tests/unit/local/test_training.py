"""A training as a child process: what its caller gets to see."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from mlplatform.errors import NotGoodEnough, PlatformError, Refused
from mlplatform.local.training import TrainerChild, train
from mlplatform.unprivileged import run
from mlplatform.unprivileged.run import ForeignRun

TRAINER = """#!{python}
import json, sys
print(json.dumps({{"event": "step begins", "step": "pin", "level": "info", "words": sys.argv[1:]}}))
{rest}
"""


def stand_in(folder: Path, rest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program in place of Python that plays the trainer."""
    program = folder / "python"
    program.write_text(TRAINER.format(python=sys.executable, rest=rest))
    program.chmod(0o755)
    monkeypatch.setattr(
        run, "prepare", lambda argv, given, **_: ForeignRun((str(program), *argv), given)
    )


def test_events_are_reported_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every event of a run is reported while it runs, and stands in its log."""
    stand_in(tmp_path, "", monkeypatch)
    events: list[Any] = []
    train(
        TrainerChild("diabetes", "diabetes-1", "new labels"),
        environment={},
        log=tmp_path / "logs" / "t.log",
        on_event=events.append,
    )

    assert "pin" == events[0]["step"]
    assert ["trainer", "diabetes", "--job", "diabetes-1", "--why", "new labels"] == (
        events[0]["words"][-6:]
    )
    assert '"step": "pin"' in (tmp_path / "logs" / "t.log").read_text()


@pytest.mark.parametrize(
    ("rest", "said", "kind"),
    [
        (
            "print(json.dumps({'level': 'error', 'error': 'auc is 0.6'})); print(1); sys.exit(1)",
            "auc is 0.6",
            PlatformError,
        ),
        (
            "print('Traceback'); print('ValueError: no'); sys.exit(1)",
            "ValueError: no",
            PlatformError,
        ),
        ("sys.exit(3)", "step begins", Refused),
        ("sys.exit(2)", "step begins", NotGoodEnough),
    ],
)
def test_failures_say_why(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rest: str,
    said: str,
    kind: type[PlatformError],
) -> None:
    """A run that fails raises its last error, or the last line it wrote, and where the log is.

    Its class has the exit code of the run.
    """
    stand_in(tmp_path, rest, monkeypatch)
    child = TrainerChild("diabetes", "diabetes-1", "")
    with pytest.raises(
        PlatformError, match=rf"training of 'diabetes' failed: {said} \(its log is"
    ) as raised:
        train(child, environment={}, log=tmp_path / "t.log", on_event=lambda _: None)

    assert kind is raised.type
