"""Serve with one process or with several: this process is the only one, their parent, or one."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from mlplatform.cli.lazy import later

WorkerWords = Annotated[str | None, typer.Option("--worker", hidden=True)]
"""What the parent tells each of its workers; nobody else has a use for it."""


def lead(settings: Any) -> None:
    """Be the parent of several, each started with this same command line; then end.

    Imports nothing of what answers.
    """
    sys.exit(later("serving.workers").run(settings, sys.argv[1:]))


def own(settings: Any, words: str | None) -> tuple[Any, Any]:
    """Settings of this process, and which worker it is."""
    one = later("serving.worker")
    if words is None:
        return settings, one.ALONE
    worker = one.ServingWorker.inherited(words, settings)
    return worker.settings(settings), worker
