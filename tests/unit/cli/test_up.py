"""`mlplatform up`: how it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mlplatform.cli import session
from mlplatform.cli.main import application
from mlplatform.local import state
from mlplatform.local.stack import Options


@pytest.fixture
def handlers() -> Iterator[Callable[[], set[Any]]]:
    """What this process does at each signal that ends it; as it was before, afterwards."""
    before = {number: signal.getsignal(number) for number in session.ENDING}
    yield lambda: {signal.getsignal(number) for number in session.ENDING}
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_second_signal_does_not_cut_the_drain_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handlers: Callable[[], set[Any]]
) -> None:
    """While the processes stop, signals are ignored: what was accepted is stored first."""
    during: list[set[Any]] = []

    class Stack(AbstractContextManager["Stack"]):
        def __init__(self, _: Options) -> None:
            pass

        def __exit__(self, *_: object) -> None:
            during.append(handlers())

        def listen(self, _: object) -> None:
            pass

        def start(self) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr("mlplatform.cli.session.LocalStack", Stack)
    with (
        pytest.raises(KeyboardInterrupt),
        session.running(Options(home=tmp_path, source="."), tour=False),
    ):
        pass

    assert [{signal.SIG_IGN}] == during


@pytest.mark.parametrize("command", ["up", "demo"])
def test_a_home_in_use_is_refused_and_left_alone(tmp_path: Path, command: str) -> None:
    """A second `up` prints the refusal alone: the stack that runs there has not stopped."""
    words = (command, "--home", str(tmp_path), "--source", ".")
    with state.hold(tmp_path):
        before = sorted(tmp_path.iterdir())
        ended = subprocess.run(
            [sys.executable, "-m", "mlplatform", *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        after = sorted(tmp_path.iterdir())

    assert (1, "", before) == (ended.returncode, ended.stdout, after)
    assert (
        f"error: --home: a stack is running in {tmp_path} already"
        " → `mlplatform status` shows it, `mlplatform down` stops it"
    ) == " ".join(ended.stderr.split())


@pytest.mark.parametrize(("former", "now"), [("--road", "--tour"), ("--no-road", "--no-tour")])
def test_the_former_name_of_the_tour_is_refused_with_the_new_one(former: str, now: str) -> None:
    """Whoever types the old flag reads what it is called today, and nothing starts."""
    ended = CliRunner().invoke(application([]), ["up", former])

    assert 2 == ended.exit_code
    assert f"use {now}" in ended.output


def test_the_former_name_of_the_tour_is_not_offered() -> None:
    """The help shows the one name that works."""
    shown = CliRunner().invoke(application([]), ["up", "--help"]).output

    assert "--no-tour" in shown
    assert "--no-road" not in shown
