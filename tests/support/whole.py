"""A running platform with one trained pipeline, and what the tests check of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from load import Load, until
from pydantic import SecretStr

from mlplatform.client import pipelines
from mlplatform.client.dataapi import DataApi
from mlplatform.client.pipelines import sample_row
from mlplatform.client.serving import ServingClient
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.errors import PlatformError
from mlplatform.local.stack import LocalStack
from mlplatform.local.tour import history, traffic
from mlplatform.local.training import TrainerChild, new_job, train
from mlplatform.settings import SourceSettings
from mlplatform.source.checkout import checkout

NAME = "breast-cancer"
HOSTILE = "hostile"
"""A pipeline in the same source, which only the tests of hostile code apply."""
EVER = datetime(2000, 1, 1, tzinfo=UTC)  # before every row


@dataclass
class Platform:
    """The stack and clients of it."""

    stack: LocalStack
    admin: DataApi
    serving: ServingClient
    definition: PipelineDefinition

    @property
    def row(self) -> dict[str, Any]:
        """A row that the pipeline's columns allow."""
        return sample_row(self.definition)

    @property
    def folder(self) -> Path:
        """Where the pipelines' files lie."""
        return Path(self.stack.options.source)

    def train(self, why: str, *, name: str = NAME) -> str:
        """One training run; the version that is champion afterwards."""
        log = self.stack.options.home / "logs" / "trainer.log"
        train(
            TrainerChild(name, new_job(name), why),
            environment=self.stack.layout.environment("trainer"),
            log=log,
            on_event=lambda _: None,
        )
        return self.champion(name)

    def champion(self, name: str = NAME) -> str:
        """The version that is to answer."""
        champion = self.admin.model_status(name).champion
        assert champion is not None
        return champion.version

    def await_version(self, version: str) -> None:
        """Wait until serving answers with that version."""
        until(lambda: self._answers(version), f"version {version} answers")

    def kill(self, name: str) -> None:
        """SIGKILL one process, and wait until the supervisor has it back and ready."""
        before = self.stack.supervisor.status()[name]
        assert before.pid is not None
        os.kill(before.pid, signal.SIGKILL)
        until(lambda: self._back(name, before.restarts), f"{name} is back")

    @contextmanager
    def load(self) -> Iterator[Load]:
        """Requests come in while the block runs.

        Afterwards every answered one must be found, once, and none be missing.
        """
        with Load(self.serving, NAME, self.row) as load:
            yield load
        self.await_stored(load)

    def await_stored(self, load: Load) -> None:
        """Wait until all answered requests are stored and the balance names none as missing."""
        until(
            lambda: set(load.answered) <= self._stored(),
            f"{len(load.answered)} answered requests are stored",
        )
        until(self.balance_closes, "the balance closes")

        assert len(load.answered) == len(set(load.answered))

    def balance_closes(self) -> bool:
        """Whether nothing is missing or on its way.

        Accepted = stored + dead letters for every outbox, without a missing number; raw rows =
        featured + quarantined + not applicable.
        """
        try:
            found = self.admin.balance()
        except PlatformError:  # the data API or its database is restarting; tried again
            return False
        outboxes = all(
            not box.missing and box.accepted == box.stored + box.dead_lettered
            for box in found.outboxes
        )
        rows = found.rows[NAME]
        done = rows.raw == rows.featured + rows.quarantined + rows.not_applicable
        return outboxes and done and not rows.waiting

    def _stored(self) -> set[str]:
        try:
            return set(traffic.stored(self.admin, NAME, EVER))
        except PlatformError:  # the standby or the data API is restarting; tried again
            return set()

    def _answers(self, version: str) -> bool:
        try:
            return bool(self.serving.predict(NAME, [self.row]).version == version)
        except PlatformError:  # no version yet, or restarting; tried again
            return False

    def _back(self, name: str, restarts: int) -> bool:
        status = self.stack.supervisor.status()[name]
        return status.restarts > restarts and status.state == "ready"


@contextmanager
def trained(stack: LocalStack) -> Iterator[Platform]:
    """A `Platform` on a stack that is started here, with history and a first version."""
    stack.start()
    with clients(stack) as found:
        rows = list(history.history(NAME))
        traffic.import_rows(found.admin, NAME, rows, key="history")
        found.train("first version")
        yield found


@contextmanager
def clients(stack: LocalStack) -> Iterator[Platform]:
    """A `Platform` on a running stack, its pipeline applied."""
    token, code = (
        stack.secrets.tokens["admin"],
        checkout(SourceSettings(url=stack.options.source, working_tree=True)),
    )
    with (
        DataApi(stack.state.urls["dataapi"], SecretStr(token)) as admin,
        ServingClient(stack.state.urls["serving"], token) as serving,
    ):
        pipelines.apply(admin, code, NAME)
        yield Platform(stack, admin, serving, code.read(NAME).definition)
