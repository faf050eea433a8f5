"""How a training gives up the trainer's token."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest
from pydantic import SecretStr

from mlplatform.cli import trainer


@pytest.mark.parametrize("given", ["MLPLATFORM_DATAAPI__TOKEN", "mlplatform_dataapi__token"])
def test_the_process_begins_anew_with_the_token_of_its_run(
    monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    """Same interpreter and words; of the environment only the token changes, however spelled."""
    calls: list[Any] = []
    monkeypatch.setattr(os, "execve", lambda *words: calls.append(words))
    monkeypatch.setenv(given, "the trainer's")
    monkeypatch.setenv("ELSE", "kept")
    trainer._begin_anew(SecretStr("the run's"), without=[given])
    program, words, environment = calls[0]

    assert (sys.executable, [sys.executable, *sys.orig_argv[1:]]) == (program, words)
    assert ("the run's", "kept") == (environment["MLPLATFORM_DATAAPI__TOKEN"], environment["ELSE"])
    assert "the trainer's" not in environment.values()
