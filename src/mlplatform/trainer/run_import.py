"""An import: a training run whose tuning and training are replaced by a file from elsewhere.

What is read of the data, judged, registered and proposed is the same, by the same steps; see
`mlplatform.trainer.run`. The version waits for a person, whatever the pipeline says of approval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from mlplatform.client.history import recent_rows
from mlplatform.contracts.columns import Columns
from mlplatform.engine.foreign.apart import ForeignModel
from mlplatform.engine.foreign.file import ForeignFile
from mlplatform.engine.limits import READ_MEMORY, TrialLimits
from mlplatform.errors import InvalidInput, Refused
from mlplatform.features.checks import check
from mlplatform.features.parse import to_columns
from mlplatform.telemetry import logger
from mlplatform.trainer.context import RunContext
from mlplatform.trainer.handover import Handover, Row
from mlplatform.trainer.report.lineage import imported_tags
from mlplatform.trainer.report.summary import TrainingSummary
from mlplatform.trainer.results import Parts, Pinned, Search, TrainedModel
from mlplatform.trainer.run import finish, prepare
from mlplatform.trainer.steps.export import export_model
from mlplatform.trainer.steps.try_model import try_model

_log = logger("trainer")


def run_import(context: RunContext, pipeline: str, reason: str, given: Handover) -> TrainingSummary:
    """Import one model. See `mlplatform.trainer.main.run` for what it raises."""
    context.record.tags(imported_tags(given.about))
    pinned, parts = prepare(context, pipeline)
    with context.timer.step("read"):
        sample = _sample(given.rows, pinned)
        source = _read(context, given, pinned)
    with context.timer.step("export"):
        model = _exported(context, source, pinned, parts, sample=sample, given=given)
    source.end()
    search = Search(trials=(), planned=0, best={})
    return finish(context, pinned, parts, search, model, reason=reason, imported=given.about)


def _read(context: RunContext, given: Handover, pinned: Pinned) -> ForeignModel:
    about, definition = given.about, pinned.definition
    if about.format == "joblib" and not about.trusted:
        raise Refused(
            "a joblib file or pickle runs whatever code its author put in while it is read",
            field="--i-trust-this-file",
            fix="write the estimator with skops instead, which holds no code; or give the option, "
            "if you know who made this file and how",
        )
    file = ForeignFile(
        about.format,
        given.data,
        pinned.features.features,
        definition.task,
        definition.target,
        about.classes,
        context.trusted,
    )
    limits = TrialLimits(context.limits.time_s, READ_MEMORY * context.limits.memory_bytes)
    found = ForeignModel(file, limits, allowed=definition.export.format)
    _log.info("read", kind=found.kind, features=list(found.order), classes=found.classes)
    return found


def _sample(rows: Sequence[Row], pinned: Pinned) -> Columns:
    """The features of the sample rows, which etl must be able to take."""
    inputs = pinned.definition.inputs
    absent = [column.name for column in inputs if any(column.name not in row for row in rows)]
    if absent or not rows:
        what = f"lack the columns {', '.join(absent)}" if absent else "are none"
        raise InvalidInput(f"the sample rows {what}", field="--rows")
    values = {column.name: [row[column.name] for row in rows] for column in inputs}
    columns, faults = to_columns(values, inputs)
    faults = faults or check(columns, inputs)
    if faults:
        raise InvalidInput(f"etl would not take the sample rows: {faults[0]}", field="--rows")
    return pinned.features.apply(columns)


def _exported(
    context: RunContext,
    source: ForeignModel,
    pinned: Pinned,
    parts: Parts,
    *,
    sample: Columns,
    given: Handover,
) -> TrainedModel:
    """Proven equal on the sample rows, on all rows of the replica, and on generated ones."""
    trials, history = context.trials, partial(recent_rows, context.api, pinned.definition)
    trial = partial(try_model, pinned=pinned, trials=trials, history=history)
    more = {"sample rows": sample, "rows that are not held out": parts.train.features}
    beside = {"imported.json": given.about.model_dump_json(indent=1).encode()}
    write = partial(export_model, source, pinned, parts, context.folder / "model")
    try:
        model = write(open_model=trials.open, trial=trial, more=more, beside=beside)
    except InvalidInput as error:
        raise _of_file(error) from error
    kind = f"{source.kind}, features in the order {', '.join(source.order)}"
    return replace(model, tried=(f"read as {kind}", *model.tried))


def _of_file(error: InvalidInput) -> InvalidInput:
    """The same of the imported file: here is no model.py."""
    if error.field != "model.py":
        return error
    message = error.message.replace("model.py: the estimator", "the imported model")
    return InvalidInput(message.removeprefix("model.py: "), field="FILE", fix=error.fix)
