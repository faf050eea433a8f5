"""The part of the tour that one pipeline takes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from mlplatform.client import pipelines
from mlplatform.client.etl_watch import await_etl
from mlplatform.contracts.naming import fields
from mlplatform.contracts.pipeline_status import AppliedPipeline, FeaturesProgress
from mlplatform.contracts.predicted_rows import PredictedRows
from mlplatform.contracts.promotion import ModelVersion
from mlplatform.errors import PlatformError
from mlplatform.local.tour import traffic
from mlplatform.local.tour.claims import WAIT_S, expect, until
from mlplatform.local.tour.context import TourContext
from mlplatform.local.tour.examples import NAMES
from mlplatform.local.tour.reporting import Say
from mlplatform.local.tour.summary import PipelineSummary
from mlplatform.local.tour.traffic import Sent
from mlplatform.local.training import TrainerChild, new_job, train

LIVE_ROWS = 60


class PipelineTour:
    """A pipeline as it was applied. Every step raises PlatformError when a claim does not hold."""

    def __init__(self, context: TourContext, applied: AppliedPipeline) -> None:
        self._context = context
        self._report = context.report
        self._name = applied.name
        self._definition = applied.parsed()
        self._digest = applied.features_digest
        self._summary = PipelineSummary(applied.name, commit=applied.commit)
        context.summary.pipelines[applied.name] = self._summary

    def first_version(self) -> None:
        """Have a version answer: the champion of before, or one trained on the imported history."""
        name, progress = self._name, self._context.progress
        if not progress.done("history", name) and self._is_example():
            self._import_history()
            progress.set("history", name)
        champion = self._context.admin.model_status(name).champion
        if champion is not None:
            self._note_receipt(champion)
        elif self._features().featured:
            self._train("the first version")
        else:
            self._report.note(
                f"{name}: no version yet; import rows, then `mlplatform train {name}`"
            )
            return
        self._await_answer()

    def live_requests(self) -> None:
        """Send live rows, find every answer stored, and label it. Only examples have such rows."""
        if not self._is_example():
            return
        summary = self._summary
        since = datetime.now(UTC)
        with self._report.step(f"{self._name}: live requests") as say:
            sent = self._send(say)
            summary.stored = self._await_stored(sent, since)
            found = f"{summary.stored} of them found in the requests dataset"
            say(f"{summary.sent} rows answered, {found}, read from the standby")
        with self._report.step(f"{self._name}: labels for them") as say:
            result = traffic.label(self._context.api, self._name, sent)
            accepted = result.accepted == summary.sent and not result.refused
            expect(accepted, f"{self._name}: labels were refused: {result}")
            summary.labelled = result.accepted
            say(f"{summary.labelled} accepted")

    def retrain(self) -> None:
        """Train on the data with the labels, and have the new version answer."""
        summary = self._summary
        if not summary.labelled:
            return
        before = summary.versions[-1]
        self._train("on the grown data")
        self._await_answer()
        still = f"{self._name}: version {before} still answers after the retraining"
        expect(summary.versions[-1] != before, still)
        grown = summary.training_rows[-1] - summary.training_rows[-2]
        expect(
            grown >= summary.labelled,
            f"{self._name}: the dataset grew by {grown} rows,"
            f" but {summary.labelled} rows were labelled",
        )

    def _is_example(self) -> bool:
        """Somebody's own pipeline may have the name of an example, and other columns."""
        name, declared = self._name, fields(self._definition)
        return name in NAMES and declared <= self._context.examples.rows(name, live=True)[0].keys()

    def _import_history(self) -> None:
        name, context = self._name, self._context
        with self._report.step(f"{name}: import its history") as say:
            rows, before = context.examples.rows(name, live=False), self._features()
            key = f"example-history-{name}"
            result = traffic.import_rows(context.api, name, rows, key=key)
            complete = result.accepted == len(rows) and not result.quarantined
            expect(complete, f"{name}: the import refused rows: {result}")
            self._summary.imported = len(rows)
            self._await_features(before, len(rows), say)

    def _await_features(self, before: FeaturesProgress, rows: int, say: Say) -> None:
        def check(found: FeaturesProgress) -> None:
            bad = f"{self._name}: {found.quarantined} rows of the example went to quarantine"
            expect(not found.quarantined, bad)
            say(f"{found.featured} of {rows} rows are features")

        found = await_etl(
            self._context.admin, self._name, before, rows, wait_s=WAIT_S, on_progress=check
        )
        few = f"{self._name}: only {found.featured} of {rows} imported rows became features"
        expect(found.featured >= rows, few)

    def _features(self) -> FeaturesProgress:
        return self._context.admin.features_progress(self._name, self._digest)

    def _train(self, why: str) -> None:
        name, stack = self._name, self._context.stack
        if not stack.state.ready:
            with self._report.step("wait for MLflow"):
                self._context.await_registry()
        with self._report.step(f"{name}: train, {why}") as say:
            train(
                TrainerChild(name, new_job(name), why),
                environment=stack.layout.environment("trainer"),
                log=stack.options.home / "logs" / f"trainer-{name}.log",
                on_event=lambda event: say(event["step"]) if "step" in event else None,
            )
            version = self._newest()
            self._note_receipt(version)
            gated = (f"{metric} {value:.4g}" for metric, value in self._gated(version).items())
            say(f"version {version.version} ({version.format}) {', '.join(gated)}")
        self._approve()

    def _newest(self) -> ModelVersion:
        versions = self._context.admin.versions(self._name)
        expect(bool(versions), f"{self._name}: training ended, but no version is registered")
        return max(versions, key=lambda each: int(each.version))

    def _note_receipt(self, version: ModelVersion) -> None:
        """What a version was trained on. The contract of receipts refuses any role but standby."""
        receipt = self._context.admin.receipt(version.receipt_id)
        self._summary.trained_on = f"{receipt.server_role} at {receipt.lsn}"
        self._summary.training_rows.append(receipt.rows)

    def _approve(self) -> None:
        name, admin = self._name, self._context.admin
        waiting = admin.model_status(name).candidate
        if waiting is None:
            return
        version = waiting.version
        expect(
            self._definition.approval == "manual",
            f"{name}: version {version} was not promoted, though its pipeline says approval: auto",
        )
        title = f"{name}: approve version {version} (its pipeline says approval: manual)"
        with self._report.step(title):
            why = "the tour stands in for the person who decides"
            admin.decide(name, "approve", version=version, why=why)
            self._summary.approved_by_hand = True

    def _await_answer(self) -> None:
        """Wait until serving answers with the champion."""
        name, context, summary = self._name, self._context, self._summary
        champion = context.admin.model_status(name).champion
        if champion is None:
            raise PlatformError(f"{name}: no version is promoted", field="the tour")
        row = pipelines.sample_row(self._definition)

        def answer() -> PredictedRows | None:
            found = context.serving.predict(name, [row])
            return found if found.version == champion.version else None

        with self._report.step(f"{name}: version {champion.version} answers") as say:
            found = until(answer, f"{name}: serving does not pick up the version")
            context.note_prediction()
            summary.versions.append(champion.version)
            summary.metrics, summary.format = self._gated(champion), champion.format
            say(f"predicts {found.predictions[0]}")

    def _gated(self, version: ModelVersion) -> dict[str, float]:
        """The metrics that the pipeline's gates are about, in the order of the gates."""
        metrics = [gate.metric for gate in self._definition.gates]
        return {name: version.metrics[name] for name in metrics if name in version.metrics}

    def _send(self, say: Say) -> list[Sent]:
        rows = self._context.examples.rows(self._name, live=True)[:LIVE_ROWS]
        sent = []
        for each in traffic.send(self._context.serving, self._definition, rows):
            sent.append(each)
            self._summary.sent += len(each.rows)
            say(f"{self._summary.sent} of {len(rows)} rows answered")
        return sent

    def _await_stored(self, sent: Sequence[Sent], since: datetime) -> int:
        """Wait until all are stored, with the predictions that were answered; how many rows."""

        def found() -> dict[str, list[Any]] | None:
            known = traffic.stored(self._context.api, self._name, since)
            return known if all(each.id in known for each in sent) else None

        known = until(found, f"{self._name}: not every answered request was stored")
        for each in sent:
            expect(
                list(each.predictions) == known[each.id],
                f"{self._name}: request {each.id} was answered {each.predictions},"
                f" but {known[each.id]} is stored",
            )
        return sum(len(known[each.id]) for each in sent)
