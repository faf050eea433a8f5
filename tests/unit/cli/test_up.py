"""`mlplatform up`: how it ends."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from mlplatform.cli import stack
from mlplatform.local.stack import Options


@pytest.fixture
def handlers() -> Iterator[Callable[[], set[Any]]]:
    """What this process does at each signal that ends it; as it was before, afterwards."""
    before = {number: signal.getsignal(number) for number in stack.ENDING}
    yield lambda: {signal.getsignal(number) for number in stack.ENDING}
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_second_signal_does_not_cut_the_drain_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handlers: Callable[[], set[Any]]
) -> None:
    """While the processes stop, Ctrl-C, SIGTERM and a closed terminal are deaf: what was accepted is stored first."""
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

    monkeypatch.setattr("mlplatform.local.stack.LocalStack", Stack)
    with (
        pytest.raises(KeyboardInterrupt),
        stack._running(Options(home=tmp_path, source="."), road=False),
    ):
        pass

    assert [{signal.SIG_IGN}] == during
