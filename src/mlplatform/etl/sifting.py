"""A batch that the database refuses as a whole, stored as far as it takes its rows."""

from __future__ import annotations

from dataclasses import replace

from mlplatform.database import feature_rows
from mlplatform.database.feature_rows import FeatureBatch
from mlplatform.database.raw_requests import RawRequest
from mlplatform.database.sessions import Connection
from mlplatform.errors import InvalidInput
from mlplatform.etl.batch import process, refused, subset
from mlplatform.etl.catalogue import Ready
from mlplatform.watchdog import turned


def sift(warehouse: Connection, item: Ready, request: RawRequest) -> FeatureBatch:
    """Store the rows of one request, halved until those that are refused are alone.

    They go to quarantine with the database's reason. Returns what was stored. Some 2 · log2(n)
    statements for one of them; the caller's transaction holds them all. Raises Refused when the
    table can't be written.
    """
    outcome = process([request], item.definition, item.features)
    reasons = _stored(warehouse, item, replace(outcome, bad=[]))
    bad = [
        row
        for number, reason in sorted(reasons.items())
        for row in refused([request], item.definition, reason, only={request.request_id: [number]})
    ]
    bad = [*outcome.bad, *bad]
    feature_rows.keep_bad(warehouse, item.pipeline, item.digest, item.table, bad)
    good = _some(outcome, [row for row in outcome.rows if row not in reasons])
    return replace(good, bad=bad)


def _stored(warehouse: Connection, item: Ready, whole: FeatureBatch) -> dict[int, str]:
    """Why which rows could not be stored; the others are."""
    reasons: dict[int, str] = {}
    parts = [whole]
    while parts:
        part = parts.pop()
        turned()
        try:
            with warehouse.transaction():  # a savepoint: what was stored before stays
                feature_rows.store(warehouse, item.pipeline, item.digest, item.table, part)
        except InvalidInput as error:
            if len(part.rows) == 1:
                reasons[part.rows[0]] = error.message
                continue
            middle = len(part.rows) // 2
            parts += [_some(part, part.rows[middle:]), _some(part, part.rows[:middle])]
    return reasons


def _some(outcome: FeatureBatch, rows: list[int]) -> FeatureBatch:
    ids = dict(zip(outcome.rows, outcome.ids, strict=True))
    return subset(outcome, {(ids[row], row) for row in rows})
