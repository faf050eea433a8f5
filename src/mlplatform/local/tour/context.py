"""What all steps of a tour use: the stack, clients of its servers, and who hears of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from pydantic import SecretStr

from mlplatform.client.dataapi import DataApi
from mlplatform.client.serving import ServingClient
from mlplatform.local.stack import LocalStack
from mlplatform.local.tour.examples import Examples
from mlplatform.local.tour.progress import Progress
from mlplatform.local.tour.reporting import Reporter
from mlplatform.local.tour.summary import Summary


@dataclass(frozen=True)
class TourContext:
    """One tour of one stack. `began` is when the servers were started (time.monotonic)."""

    stack: LocalStack
    report: Reporter
    began: float
    progress: Progress
    summary: Summary
    examples: Examples
    admin: DataApi  # with the token of an admin
    api: DataApi  # with that of a client: imports, labels, reads
    serving: ServingClient

    def seconds(self) -> float:
        """Since the servers were started."""
        return time.monotonic() - self.began

    def note_prediction(self) -> None:
        """Note the time of the first answered prediction; of a later one, nothing."""
        self.summary.first_prediction_s = self.summary.first_prediction_s or self.seconds()

    def await_registry(self) -> None:
        """Wait for MLflow, whose start takes longest. Returns at once when it was up before."""
        if not self.stack.state.ready:
            self.stack.await_registry()
            self.summary.ready_s = self.seconds()


@contextmanager
def touring(stack: LocalStack, report: Reporter, *, began: float) -> Iterator[TourContext]:
    """A tour of a stack whose servers are up; its clients are closed at the end."""
    urls, tokens = stack.state.urls, stack.secrets.tokens
    progress = Progress(stack.options.home)
    first = not progress.done("whole")
    summary = Summary(urls=urls, tokens_file=str(stack.secrets.tokens_file), first_start=first)
    with ExitStack() as held:
        examples = Examples()
        held.callback(examples.close)
        if first:
            examples.begin()  # they take seconds to make, and are needed soon
        yield TourContext(
            stack,
            report,
            began,
            progress,
            summary,
            examples,
            admin=held.enter_context(DataApi(urls["dataapi"], SecretStr(tokens["admin"]))),
            api=held.enter_context(DataApi(urls["dataapi"], SecretStr(tokens["client"]))),
            serving=held.enter_context(ServingClient(urls["serving"], tokens["client"])),
        )
