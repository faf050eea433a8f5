"""The guided tour of a running stack, with every claim checked.

It imports history, trains and serves versions, sends requests, finds them stored, labels them, and
trains again. At a second start it uses what is there: it imports and trains nothing again, and
shows that the versions answer.
"""

from __future__ import annotations

from mlplatform.client import pipelines
from mlplatform.contracts.balance import BalanceSheet
from mlplatform.local.stack import LocalStack
from mlplatform.local.tour.claims import until
from mlplatform.local.tour.context import TourContext, touring
from mlplatform.local.tour.pipeline_tour import PipelineTour
from mlplatform.local.tour.reporting import Reporter
from mlplatform.local.tour.summary import Summary
from mlplatform.settings import SourceSettings
from mlplatform.source.checkout import checkout, dirty

FIRST = "breast-cancer"
"""The quickest to train: its version answers while the others are trained."""


def take_tour(stack: LocalStack, report: Reporter, *, began: float) -> Summary:
    """Take the tour; the stack's servers are up, but MLflow may still start.

    `began` is when they were started (time.monotonic). Raises PlatformError at the first claim that
    does not hold.
    """
    with touring(stack, report, began=began) as context:
        tours = _apply(context)
        for each in tours:
            each.first_version()
        if context.summary.first_start:
            # All versions serve before the first label comes in, so that each training finds all
            # labels of its pipeline.
            for each in tours:
                each.live_requests()
            for each in tours:
                each.retrain()
        _check_balance(context)
        context.await_registry()
        context.progress.set("whole")
        context.summary.total_s = context.seconds()
        context.summary.memory_bytes = stack.memory()
        return context.summary


def _apply(context: TourContext) -> list[PipelineTour]:
    options = context.stack.options
    source = SourceSettings(
        url=options.source,
        working_tree=options.working_tree,
        cache=options.home / "cache" / "source",
    )
    code = checkout(source)
    names = sorted(code.pipelines(), key=lambda name: (name != FIRST, name))
    with context.report.step("apply the pipelines") as say:
        tours = [
            PipelineTour(context, pipelines.apply(context.admin, code, name)) for name in names
        ]
        say(f"{', '.join(names)} at {code.commit[:12]}")
    if edited := dirty(source):
        context.report.note(
            f"{len(edited)} edited file(s), for example {edited[0]}, are not committed,"
            " so they are not used; --working-tree uses them"
        )
    return tours


def _check_balance(context: TourContext) -> None:
    def closed() -> BalanceSheet | None:
        sheet = context.admin.balance()
        return sheet if sheet.outboxes and _is_closed(sheet) else None

    with context.report.step("the balance of requests") as say:
        sheet = context.summary.balance = until(closed, "the balance does not close")
        stored = sum(outbox.stored for outbox in sheet.outboxes)
        accepted = sum(outbox.accepted for outbox in sheet.outboxes)
        say(f"{accepted} accepted = {stored} stored, none missing")


def _is_closed(sheet: BalanceSheet) -> bool:
    """Every accepted request is stored (or a dead letter), and etl has dealt with every row."""
    requests = all(
        each.accepted == each.stored + each.dead_lettered and each.whole for each in sheet.outboxes
    )
    return requests and not any(each.waiting or each.unaccounted for each in sheet.rows.values())
