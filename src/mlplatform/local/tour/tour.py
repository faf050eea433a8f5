"""The guided tour of a running stack, with every claim checked.

It imports history, trains and serves versions, sends requests, finds them stored, labels them, and
trains again. `Tour.run` raises PlatformError at the first claim that does not hold. At a second
start it uses what is there: it imports and trains nothing again, and shows that the versions
answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr

from mlplatform.client import pipelines
from mlplatform.client.dataapi import DataApi
from mlplatform.client.serving import ServingClient
from mlplatform.contracts.balance import BalanceSheet
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.contracts.predicted_rows import PredictedRows
from mlplatform.contracts.promotion import ModelVersion
from mlplatform.errors import PlatformError, TryLater, Unavailable
from mlplatform.local.stack import LocalStack
from mlplatform.local.tour import history, traffic
from mlplatform.local.tour.examples import Examples
from mlplatform.local.tour.progress import Progress
from mlplatform.local.tour.reporting import Reporter, Say
from mlplatform.local.tour.summary import PipelineSummary, Summary
from mlplatform.local.tour.traffic import Sent
from mlplatform.local.training import train
from mlplatform.settings import SourceSettings
from mlplatform.source.checkout import Checkout, checkout, dirty

FIRST = "breast-cancer"  # the quickest to train, so that something answers soon
LIVE_ROWS = 60
WAIT_S = 120.0
POLL_S = 0.2


class Tour:
    """One tour. `began` is when the servers were started (time.monotonic)."""

    def __init__(self, stack: LocalStack, report: Reporter, *, began: float) -> None:
        self._stack = stack
        self._report = report
        self._began = began
        self._progress = Progress(stack.options.home)
        self._definitions: dict[str, PipelineDefinition] = {}
        self._digests: dict[str, str] = {}
        self._sent: dict[str, list[Sent]] = {}
        self.summary = Summary(
            urls=stack.state.urls,
            tokens_file=str(stack.secrets.tokens_file),
            first_start=not self._progress.done("whole"),
        )

    def run(self) -> Summary:
        """Take the whole tour."""
        with self._connected():
            names = self._apply()
            for name in names:
                self._first_version(name)
            if self.summary.first_start:
                for name in names:
                    self._live(name)
                for name in names:
                    self._retrain(name)
            self._balance()
        if not self._stack.state.ready:
            self._await_registry()
        self._progress.set("whole")
        self.summary.total_s = time.monotonic() - self._began
        self.summary.memory_bytes = self._stack.memory()
        return self.summary

    @contextmanager
    def _connected(self) -> Iterator[None]:
        urls, tokens = self._stack.state.urls, self._stack.secrets.tokens
        with ExitStack() as held:
            if self.summary.first_start:
                self._examples = Examples()
                held.callback(self._examples.close)
            self._admin = held.enter_context(DataApi(urls["dataapi"], SecretStr(tokens["admin"])))
            self._client = held.enter_context(DataApi(urls["dataapi"], SecretStr(tokens["client"])))
            self._serving = held.enter_context(ServingClient(urls["serving"], tokens["client"]))
            yield

    # -- step by step
    # -------------------------------------------------------------------------------------------------------------

    def _apply(self) -> list[str]:
        options = self._stack.options
        source = SourceSettings(
            url=options.source,
            working_tree=options.working_tree,
            cache=options.home / "cache" / "source",
        )
        code = checkout(source)
        with self._report.step("apply the pipelines") as say:
            for name in code.pipelines():
                self._apply_one(code, name)
            say(f"{', '.join(self._definitions)} at {code.commit[:12]}")
        if edited := dirty(source):
            self._report.note(
                f"{len(edited)} edited file(s), say {edited[0]}, are not committed and not used; --working-tree uses them"
            )
        return sorted(self._definitions, key=lambda name: (name != FIRST, name))

    def _apply_one(self, code: Checkout, name: str) -> None:
        applied = pipelines.apply(self._admin, code, name)
        self._definitions[name] = code.read(name).definition
        self._digests[name] = applied.features_digest
        self.summary.pipelines[name] = PipelineSummary(name, commit=code.commit)

    def _first_version(self, name: str) -> None:
        if name in history.names() and not self._progress.done("history", name):
            self._import(name)
        champion = self._admin.model_status(name).champion
        if champion is None and self._has_rows(name):
            self._train(name)
        elif champion is None:
            self._report.note(
                f"{name}: no version yet; import rows, then `mlplatform train {name}`"
            )
            return
        else:
            self._check_receipt(name, champion)
        self._answers(name)

    def _import(self, name: str) -> None:
        with self._report.step(f"{name}: import its history") as say:
            rows = self._examples.rows(name, live=False)
            answer = traffic.import_rows(self._client, name, rows, key=f"example-history-{name}")
            expect(
                answer.accepted == len(rows) and not answer.quarantined,
                f"{name}: the import refused rows: {answer}",
            )
            self.summary.pipelines[name].imported = len(rows)
            self._await_features(name, len(rows), say)
        self._progress.set("history", name)

    def _train(self, name: str, why: str = "the first version") -> None:
        home = self._stack.options.home
        if not self._stack.state.ready:
            with self._report.step("wait for MLflow"):
                self._await_registry()
        with self._report.step(f"{name}: train, {why}") as say:
            train(
                name,
                environment=self._stack.layout.environment("trainer"),
                log=home / "logs" / f"trainer-{name}.log",
                why=why,
                on_event=lambda event: say(event["step"]) if "step" in event else None,
            )
            version = self._newest(name)
            self._check_receipt(name, version)
            say(
                f"version {version.version} ({version.format}) "
                + _figures(self._gated(name, version.metrics))
            )
        self._approve(name)

    def _await_registry(self) -> None:
        self._stack.await_registry()
        self.summary.ready_s = time.monotonic() - self._began

    def _approve(self, name: str) -> None:
        waiting = self._admin.model_status(name).candidate
        if waiting is None:
            return
        manual = self._definitions[name].approval == "manual"
        expect(
            manual,
            f"{name}: version {waiting.version} was not promoted, though its pipeline says approval: auto",
        )
        with self._report.step(
            f"{name}: approve version {waiting.version} (its pipeline says approval: manual)"
        ):
            why = "the tour stands in for the person who decides"
            self._admin.decide(name, "approve", version=waiting.version, why=why)
            self.summary.pipelines[name].approved_by_hand = True

    def _answers(self, name: str) -> None:
        """Wait until serving answers with the champion, and ask it for a prediction."""
        champion = self._admin.model_status(name).champion
        if champion is None:
            raise PlatformError(
                f"{name}: training ended, but no version is promoted", field="the tour"
            )
        with self._report.step(f"{name}: version {champion.version} answers") as say:
            row = pipelines.sample_row(self._definitions[name])
            answer = self._until(
                lambda: self._answer_of(name, row, champion.version),
                f"{name}: serving does not pick up the version",
            )
            if not self.summary.first_prediction_s:
                self.summary.first_prediction_s = time.monotonic() - self._began
            line = self.summary.pipelines[name]
            line.versions.append(answer.version)
            line.metrics, line.format = self._gated(name, champion.metrics), champion.format
            say(f"predicts {answer.predictions[0]}")

    def _live(self, name: str) -> None:
        if name not in history.names():
            return
        line, definition = self.summary.pipelines[name], self._definitions[name]
        with self._report.step(f"{name}: live requests") as say:
            since = datetime.now(UTC)
            rows = self._examples.rows(name, live=True)[:LIVE_ROWS]
            sent = self._sent[name] = []
            for each in traffic.send(self._serving, definition, rows):
                sent.append(each)
                line.sent += len(each.rows)
                say(f"{line.sent} of {len(rows)} rows answered")
            line.stored = self._await_stored(name, sent, since)
            say(
                f"{line.sent} rows answered, {line.stored} of them found in the requests dataset, read from the standby"
            )
        with self._report.step(f"{name}: labels for them") as say:
            answer = traffic.label(self._client, name, sent)
            expect(
                answer.accepted == line.sent and not answer.refused,
                f"{name}: labels were refused: {answer}",
            )
            line.labelled = answer.accepted
            say(f"{line.labelled} accepted")

    def _retrain(self, name: str) -> None:
        line = self.summary.pipelines[name]
        if not line.labelled:
            return
        before = line.versions[-1]
        self._train(name, "on the grown data")
        self._answers(name)
        expect(
            line.versions[-1] != before,
            f"{name}: version {before} still answers after the retraining",
        )
        grown = line.training_rows[-1] - line.training_rows[-2]
        expect(
            grown >= line.labelled,
            f"{name}: the dataset grew by {grown} rows, not by the {line.labelled} that were labelled",
        )

    def _balance(self) -> None:
        with self._report.step("the balance of requests") as say:
            found = self._until(self._closed_balance, "the balance does not close")
            self.summary.balance = found
            stored = sum(outbox.stored for outbox in found.outboxes)
            accepted = sum(outbox.accepted for outbox in found.outboxes)
            say(f"{accepted} accepted = {stored} stored, none missing")

    # -- what they are made of
    # ------------------------------------------------------------------------------------------------------

    def _await_features(self, name: str, rows: int, say: Say) -> None:
        def ready() -> bool | None:
            progress = self._admin.features_progress(name, self._digests[name])
            expect(not progress.failure, f"{name}: etl can't make features: {progress.failure}")
            say(f"{progress.featured} of {rows} rows are features")
            expect(
                not progress.quarantined,
                f"{name}: {progress.quarantined} rows of the example went to quarantine",
            )
            return progress.featured >= rows or None

        self._until(ready, f"{name}: the features are not ready")

    def _has_rows(self, name: str) -> bool:
        return self._admin.features_progress(name, self._digests[name]).featured > 0

    def _newest(self, name: str) -> ModelVersion:
        versions = self._admin.versions(name)
        expect(bool(versions), f"{name}: training ended, but no version is registered")
        return max(versions, key=lambda version: int(version.version))

    def _check_receipt(self, name: str, version: ModelVersion) -> None:
        receipt = self._admin.receipt(version.receipt_id)
        expect(
            receipt.server_role == "standby",
            f"{name}: the dataset did not come from a standby: {receipt}",
        )
        line = self.summary.pipelines[name]
        line.trained_on = f"{receipt.server_role} at {receipt.lsn}"
        line.training_rows.append(receipt.rows)

    def _gated(self, name: str, metrics: dict[str, float]) -> dict[str, float]:
        """Those that the pipeline's gates are about, in their order."""
        return {
            gate.metric: metrics[gate.metric]
            for gate in self._definitions[name].gates
            if gate.metric in metrics
        }

    def _answer_of(self, name: str, row: dict[str, Any], version: str) -> PredictedRows | None:
        answer = self._serving.predict(name, [row])
        return answer if answer.version == version else None

    def _await_stored(self, name: str, sent: Sequence[Sent], since: datetime) -> int:
        def found() -> dict[str, list[Any]] | None:
            known = traffic.stored(self._client, name, since)
            return known if all(each.id in known for each in sent) else None

        known = self._until(found, f"{name}: not every answered request was stored")
        for each in sent:
            same = list(each.predictions) == known[each.id]
            expect(
                same,
                f"{name}: request {each.id} was answered {each.predictions}, but {known[each.id]} is stored",
            )
        return sum(len(known[each.id]) for each in sent)

    def _closed_balance(self) -> BalanceSheet | None:
        found = self._admin.balance()
        settled = all(
            each.accepted == each.stored + each.dead_lettered and not each.missing
            for each in found.outboxes
        )
        waiting = sum(each.waiting + each.unaccounted for each in found.rows.values())
        return found if settled and not waiting and found.outboxes else None

    def _until(self, condition: Callable[[], Any], otherwise: str) -> Any:
        """What `condition` gives once it gives something.

        Servers that ask to be asked later are.
        """
        deadline, last = time.monotonic() + WAIT_S, ""
        while time.monotonic() < deadline:
            try:
                found = condition()
            except TryLater as error:
                found, last = None, f" ({error})"
            if found is not None:
                return found
            time.sleep(POLL_S)
        raise Unavailable(f"{otherwise} after {WAIT_S:g} s{last}")


def expect(holds: bool, otherwise: str) -> None:
    """Raise PlatformError when a claim of the tour does not hold."""
    if not holds:
        raise PlatformError(otherwise, field="the tour")


def _figures(metrics: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
