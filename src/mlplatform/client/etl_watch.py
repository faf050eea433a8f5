"""Wait until etl is past an import, and say what became of its rows.

An import only stores rows; whether their values fit their columns is known when etl has checked
them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from mlplatform.client.dataapi import DataApi
from mlplatform.contracts.frozen import Frozen
from mlplatform.contracts.pipeline_status import FeaturesProgress
from mlplatform.contracts.quarantine import Quarantined
from mlplatform.errors import Refused, Unavailable
from mlplatform.retry import retry

POLL_S = 0.2
MOST_FIRST = 10
"""Entries that are returned: enough to see what is wrong; the quarantine has all of them."""
MOST_READ = 1_000
"""Entries that are looked through for the first ones, since the data API lists the newest first."""

OnProgress = Callable[[FeaturesProgress], None]


class EtlOutcome(Frozen):
    """What etl made of a pipeline's rows during a watch.

    `only_these_rows`: the counts are of the awaited rows, of all of them and of no others. Else
    some were dealt with before the watch, or other rows during it.
    """

    featured: int
    quarantined: int
    only_these_rows: bool
    first_quarantined: list[Quarantined]


class EtlWatch:
    """Counts what etl does with a pipeline's rows from now on: made before they are imported."""

    def __init__(self, api: DataApi, pipeline: str) -> None:
        """Raises UnknownName for a pipeline that was never applied."""
        self._api = api
        self._pipeline = pipeline
        digest = api.pipeline(pipeline).features_digest
        self._before = api.features_progress(pipeline, digest)
        self._newest = max((each.id for each in api.quarantine(pipeline, limit=1)), default=0)

    def outcome(self, rows: int, *, wait_s: float) -> EtlOutcome:
        """What became of the `rows` that were imported since. Blocks, see `await_etl`."""
        api, name, before = self._api, self._pipeline, self._before
        after = await_etl(api, name, before, rows, wait_s=wait_s)
        listed = api.quarantine(name, limit=MOST_READ)
        new = [each for each in listed if each.id > self._newest and each.digest == before.digest]
        return EtlOutcome(
            featured=max(0, after.featured - before.featured),
            quarantined=max(0, after.quarantined - before.quarantined),
            only_these_rows=_dealt_with(before, after) == rows,
            first_quarantined=new[: -MOST_FIRST - 1 : -1],
        )


def await_etl(
    api: DataApi,
    pipeline: str,
    before: FeaturesProgress,
    rows: int,
    *,
    wait_s: float,
    on_progress: OnProgress = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> FeaturesProgress:
    """The progress once etl is past the `rows` that were imported since `before`. Blocks.

    Raises Refused when etl can't run features.py, Unavailable when it isn't done after `wait_s`.
    """
    imported = datetime.now(UTC)

    def past() -> FeaturesProgress:
        found = _progress(api, pipeline, before, rows, imported)
        on_progress(found)
        if not found.ready:
            raise _not_past(pipeline, found, wait_s)
        return found

    return retry(past, seconds=wait_s, least_s=POLL_S, clock=clock, sleep=sleep)


def _progress(
    api: DataApi, pipeline: str, before: FeaturesProgress, rows: int, imported: datetime
) -> FeaturesProgress:
    found = api.features_progress(pipeline, before.digest, stored_before=imported)
    if found.ready and _dealt_with(before, found) < rows:
        # Some may have been there before the import. But this machine's clock may also be behind
        # the database's, and `imported` too early: then it is over when nothing at all waits.
        found = api.features_progress(pipeline, before.digest)
    if found.failure:  # of these very bytes: waiting can't mend that
        raise Refused(
            f"etl can't make the features: {found.failure}",
            field=pipeline,
            fix="mend that, most often in features.py, and apply it; the imported rows are kept",
        )
    return found


def _dealt_with(before: FeaturesProgress, after: FeaturesProgress) -> int:
    return after.featured + after.quarantined - before.featured - before.quarantined


def _not_past(pipeline: str, found: FeaturesProgress, wait_s: float) -> Unavailable:
    return Unavailable(
        f"etl is not past the imported rows after {wait_s:g} s: "
        f"{found.waiting_requests} requests wait",
        field=pipeline,
        fix="is etl running? The rows are stored, and importing the file again stores none twice",
        retry_after_s=POLL_S,
    )
