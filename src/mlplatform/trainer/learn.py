"""First part of the road: from the applied commit to an exported model that nobody has judged yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mlplatform.contracts.columns import Columns
from mlplatform.contracts.dataset import Receipt
from mlplatform.engine.skops import frame
from mlplatform.errors import InvalidInput
from mlplatform.trainer.context import RunContext
from mlplatform.trainer.estimator import builder
from mlplatform.trainer.interrupt import begin_time_limit
from mlplatform.trainer.labelled_rows import LabelledRows
from mlplatform.trainer.steps import publish_report as record
from mlplatform.trainer.steps import tune
from mlplatform.trainer.steps.export import Exported, export
from mlplatform.trainer.steps.pin import Pinned, pin
from mlplatform.trainer.steps.split import split
from mlplatform.trainer.steps.tune import Search
from mlplatform.trainer.steps.validate import validate
from mlplatform.trainer.steps.wait_for_features import wait_for_features


@dataclass(frozen=True)
class TrainedModel:
    """An exported model, and the rows that it was and was not fitted on."""

    pinned: Pinned
    receipt: Receipt
    train: LabelledRows
    test: LabelledRows
    sliced: Columns  # what gates may slice the test rows by
    search: Search
    exported: Exported

    @property
    def rows(self) -> dict[str, int]:
        """How many rows each part has."""
        return {"train": len(self.train), "test": len(self.test)}


def learn(works: RunContext, pipeline: str) -> TrainedModel:
    """Pin, wait, extract, validate, split, tune, train, export."""
    begun, step = datetime.now(UTC), works.journal.step
    with step("pin"):
        pinned = pin(works.api, works.settings.source, pipeline)
        begin_time_limit(pinned.definition.timeout_s)
        works.publisher.tags(works.run, {"commit": pinned.commit, "features_digest": pinned.digest})
        works.publisher.parameters(works.run, _told(pinned))
    with step("wait"):
        progress = wait_for_features(
            works.api,
            pipeline,
            pinned.digest,
            stored_before=begun,
            wait_s=works.settings.trainer.wait_s,
        )
    with step("extract"):
        table, receipt = works.extractor.training(pinned, begun, as_of=int(progress["mark"]))
    with step("validate"):
        counts = {name: int(progress[name]) for name in ("featured", "quarantined")}
        validate(table, pinned.features.features, pinned.definition, **counts)
    with step("split"):
        train, test = split(table, pinned.definition)
        sliced = works.extractor.sliced(
            pinned, test
        )  # before the long work, since another standby is asked
        record.log_data(
            works.publisher, works.run, receipt, {"train": len(train), "test": len(test)}
        )
    search, estimator = _fit(works, pinned, train)
    with step("export"):
        exported = export(
            estimator,
            pinned,
            train,
            test,
            works.folder / "model",
            trusted=works.settings.registry.skops_trusted,
        )
    return TrainedModel(pinned, receipt, train, test, sliced, search, exported)


def _fit(works: RunContext, pinned: Pinned, train: LabelledRows) -> tuple[Search, Any]:
    features, jobs = pinned.features.features, works.settings.trainer.jobs
    with works.journal.step("tune"):
        build = builder(pinned.files.model, commit=pinned.commit, seed=pinned.definition.split.seed)
        search = tune.tune(
            build, train, features, pinned.definition, jobs=jobs, between=works.journal.check
        )
        record.log_search(works.publisher, works.run, search)
    with works.journal.step("train"):
        estimator = build(dict(search.best))
        try:
            estimator.fit(frame(train.features, features), train.labels)
        except Exception as error:  # the author's estimator may raise anything
            raise InvalidInput(
                f"model.py: fit failed with {dict(search.best)}: {error!r}", field="model.py"
            ) from error
    return search, estimator


def _told(pinned: Pinned) -> dict[str, Any]:
    definition = pinned.definition
    return {
        "seed": definition.split.seed,
        "split": definition.split.by,
        "test_share": definition.split.test_share,
        "tuning_metric": definition.tuning.metric,
        "features": len(pinned.features.features),
        "window_days": definition.window.days,
        "window_max_rows": definition.window.max_rows,
    }
