"""One training run: every step, from top to bottom.

The order carries meaning. Whatever only reads is done before the long work (tune, train), so that
a mistake in the pipeline or a standby that lags ends the run early. What is judged from "evaluate"
on is the exported model, loaded as serving will load it, after serving's own trial. Nothing is
registered before all gates and cases hold, and nothing is proposed before the registry has
returned the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from mlplatform.client.history import recent_rows
from mlplatform.contracts.foreign_model import ImportedModel
from mlplatform.trainer.context import RunContext
from mlplatform.trainer.estimator import builder
from mlplatform.trainer.interrupt import begin_time_limit
from mlplatform.trainer.ray.train import refuse_unsuited, train_on_ray
from mlplatform.trainer.report.evidence import Evidence
from mlplatform.trainer.report.summary import TrainingSummary, summarise
from mlplatform.trainer.results import (
    CaseResult,
    Comparison,
    Parts,
    Pinned,
    Search,
    TrainedModel,
    Verdict,
)
from mlplatform.trainer.steps.compare import compare
from mlplatform.trainer.steps.evaluate import evaluate
from mlplatform.trainer.steps.export import export
from mlplatform.trainer.steps.extract import extract
from mlplatform.trainer.steps.judge_gates import judge_gates
from mlplatform.trainer.steps.pin import pin
from mlplatform.trainer.steps.propose import propose
from mlplatform.trainer.steps.publish_report import publish_report
from mlplatform.trainer.steps.register import register
from mlplatform.trainer.steps.run_cases import run_cases
from mlplatform.trainer.steps.split import split
from mlplatform.trainer.steps.train import train
from mlplatform.trainer.steps.try_model import try_model
from mlplatform.trainer.steps.tune import tune
from mlplatform.trainer.steps.validate import validate
from mlplatform.trainer.steps.verify import verify
from mlplatform.trainer.steps.wait_for_features import wait_for_features


def run_training(context: RunContext, pipeline: str, reason: str) -> TrainingSummary:
    """Train one pipeline once. See `mlplatform.trainer.main.run` for what it raises."""
    pinned, parts = prepare(context, pipeline, ready=partial(refuse_unsuited, context))
    train_model = _trained_here if pinned.definition.training is None else train_on_ray
    search, model = train_model(context, pinned, parts)
    return finish(context, pinned, parts, search, model, reason=reason)


def _trained_here(context: RunContext, pinned: Pinned, parts: Parts) -> tuple[Search, TrainedModel]:
    record, timer = context.record, context.timer
    with timer.step("tune"):
        build = builder(pinned)
        search = tune(build, parts.train, pinned, record, jobs=context.jobs, check=timer.check)
    with timer.step("train"):
        estimator = train(build, parts.train, pinned, search.best, record)
    return search, _exported(context, estimator, pinned, parts)


def prepare(
    context: RunContext, pipeline: str, *, ready: Callable[[Pinned], None] = lambda _: None
) -> tuple[Pinned, Parts]:
    """The steps that only read. `ready` may refuse what is pinned before its data is read."""
    api, record, timer = context.api, context.record, context.timer
    with timer.step("pin"):
        pinned = pin(api, context.checkout, record, pipeline)
        timeout_s = pinned.definition.timeout_s
        begin_time_limit(timeout_s, pipeline, record.id, grace_s=context.grace_s)
        ready(pinned)
    context.reporter.note(commit=pinned.commit)
    with timer.step("wait"):
        progress = wait_for_features(api, pinned, context.started, wait_s=context.wait_s)
    with timer.step("extract"):
        data = extract(context.datasets, pinned, context.started, as_of=progress.mark)
    context.reporter.note(receipt=data.receipt.id)
    with timer.step("validate"):
        validate(data.rows, pinned, progress)
    with timer.step("split"):
        return pinned, split(data, pinned, context.datasets, record)


def finish(
    context: RunContext,
    pinned: Pinned,
    parts: Parts,
    search: Search,
    model: TrainedModel,
    *,
    reason: str,
    imported: ImportedModel | None = None,
) -> TrainingSummary:
    """The steps that judge an exported model, and bring it before those who decide."""
    record = context.record
    judged = _judged(context, pinned, parts, model)
    evidence = Evidence(pinned, parts, search, model, *judged, record.id, reason, imported)
    context.reporter.note(verdicts=evidence.lines)
    with context.timer.step("report"):
        publish_report(record, evidence)
    evidence.require_passed()
    return _proposed(context, evidence)


def _judged(
    context: RunContext, pinned: Pinned, parts: Parts, model: TrainedModel
) -> tuple[Comparison, list[Verdict], list[CaseResult]]:
    definition, timer = pinned.definition, context.timer
    with timer.step("evaluate"):
        new = evaluate(model.engine, model.signature, parts.test, definition)
    with timer.step("champion"):
        compared = compare(context, pinned, parts, new)
    with timer.step("gates"):
        verdicts = judge_gates(definition, compared)
    with timer.step("cases"):
        return compared, verdicts, run_cases(pinned, model)


def _proposed(context: RunContext, evidence: Evidence) -> TrainingSummary:
    api, timer, folder = context.api, context.timer, evidence.model.folder
    with timer.step("register"):
        version = register(api, context.record, evidence, image=context.image)
    context.reporter.note(version=version.version, gate_digest=evidence.digest())
    with timer.step("verify"):
        verify(api, context.store, version, folder, scratch=context.folder)
    with timer.step("propose"):
        state = propose(api, evidence, version.version)
    context.reporter.note(outcome=state)
    return summarise(evidence, version.version, state, timer.seconds)


def _exported(context: RunContext, estimator: Any, pinned: Pinned, parts: Parts) -> TrainedModel:
    history = partial(recent_rows, context.api, pinned.definition)

    def trial(model: TrainedModel) -> None:
        try_model(model, pinned, context.trials, history)

    with context.timer.step("export"):
        folder, trusted = context.folder / "model", context.trusted
        opened = context.trials.open
        return export(estimator, pinned, parts, folder, trusted, open_model=opened, trial=trial)
