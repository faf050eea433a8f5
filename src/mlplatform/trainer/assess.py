"""Second part of the road: is the exported model good enough, and better than what serves now?"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from mlplatform.contracts.promotion import ModelStatus
from mlplatform.trainer.context import RunContext
from mlplatform.trainer.learn import TrainedModel
from mlplatform.trainer.metrics import Classes, evaluate, of_task
from mlplatform.trainer.report.evidence import Evidence, champion_scores
from mlplatform.trainer.steps.compare import Champion, Inquiry
from mlplatform.trainer.steps.judge_gates import Comparison, judge
from mlplatform.trainer.steps.pin import Pinned
from mlplatform.trainer.steps.run_cases import read_cases, run_cases


def assess(works: RunContext, learnt: TrainedModel, reason: str) -> Evidence:
    """Evaluate, ask the champion, judge the gates, run the cases.

    What is asked is the exported model: what will really serve.
    """
    pinned, test, exported = learnt.pinned, learnt.test, learnt.exported
    with works.journal.step("evaluate"):
        answers = exported.engine.predict(test.features)
        classes = _classes(exported.signature.classes, pinned)
        metrics = evaluate(test.labels, answers, classes, of_task(pinned.definition))
    with works.journal.step("champion"):
        champion = _champion(works, learnt)
        champion_classes = _classes(champion.classes, pinned)
    with works.journal.step("gates"):
        judged = Comparison(
            test.labels, answers, classes, champion, champion_classes, learnt.sliced
        )
        verdicts = judge(pinned.definition, judged)
    with works.journal.step("cases"):
        cases = run_cases(
            read_cases(pinned.files.cases, pinned.definition),
            pinned.features,
            exported.engine,
            exported.signature,
        )
    return Evidence(
        pinned=pinned,
        receipt=learnt.receipt,
        run_id=works.run.id,
        reason=reason,
        rows=learnt.rows,
        search=learnt.search,
        exported=exported,
        judged=judged,
        metrics=dict(metrics.items()),
        champion_metrics=champion_scores(pinned, test.labels, champion, champion_classes),
        verdicts=tuple(verdicts),
        cases=tuple(cases),
    )


def _champion(works: RunContext, learnt: TrainedModel) -> Champion:
    pinned = learnt.pinned
    status = ModelStatus.model_validate(
        works.api.get(f"/v1/models/{quote(pinned.definition.name)}")
    )
    inquiry = Inquiry(
        store=works.store,
        rows_of=lambda digest, features: works.extractor.other_digest(
            pinned, learnt.receipt, digest, features
        ),
        folder=works.folder,
        trusted=works.settings.registry.skops_trusted,
    )
    return inquiry.ask(status.champion, pinned, learnt.test, learnt.exported.signature.classes)


def _classes(names: tuple[Any, ...] | None, pinned: Pinned) -> Classes | None:
    return None if names is None else Classes(names, pinned.definition)
