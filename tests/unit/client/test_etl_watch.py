"""Waiting for etl after an import, on a data API in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mlplatform.client.dataapi import DataApi
from mlplatform.client.etl_watch import EtlOutcome, EtlWatch, await_etl
from mlplatform.contracts.pipeline_status import FeaturesProgress
from mlplatform.contracts.quarantine import Quarantined
from mlplatform.errors import Refused, Unavailable

DIGEST = "a" * 64


def progress(featured: int, quarantined: int = 0, *, waiting: int = 0, **more: Any) -> Any:
    """The progress with that digest; ready when nothing waits."""
    values: dict[str, Any] = {"ready": not waiting, "failure": None, "mark": 1} | more
    return FeaturesProgress(
        digest=DIGEST,
        waiting_requests=waiting,
        featured=featured,
        quarantined=quarantined,
        **values,
    )


def entry(number: int, digest: str | None = DIGEST) -> Quarantined:
    """An entry of the quarantine with that id."""
    return Quarantined(
        id=number,
        pipeline="p",
        digest=digest,
        request_id=None,
        row=0,
        column_name="bmi",
        reason=f"above the maximum {number}",
        payload={},
        at=datetime(2026, 1, 1, tzinfo=UTC),
        redrive_at=None,
    )


class Server:
    """A data API whose progress is what it is given, one a call; the last one stays.

    An exception is raised instead. `bounded`: which calls named a moment.
    """

    def __init__(self, *found: FeaturesProgress | Exception) -> None:
        self.found = list(found)
        self.entries: list[Quarantined] = []
        self.bounded: list[bool] = []

    def pipeline(self, _: str) -> Any:
        """As DataApi.pipeline."""
        return SimpleNamespace(features_digest=DIGEST)

    def features_progress(self, *_: str, stored_before: datetime | None = None) -> Any:
        """As DataApi.features_progress."""
        self.bounded.append(stored_before is not None)
        found = self.found.pop(0) if len(self.found) > 1 else self.found[0]
        if isinstance(found, Exception):
            raise found
        return found

    def quarantine(self, _: str, *, limit: int) -> Sequence[Quarantined]:
        """As DataApi.quarantine."""
        return sorted(self.entries, key=lambda each: -each.id)[:limit]


def watch(server: Server) -> EtlWatch:
    """A watch that begins now."""
    return EtlWatch(cast("DataApi", server), "p")


def awaited(server: Server, rows: int, *, wait_s: float = 60.0) -> FeaturesProgress:
    """The end of a wait whose pauses take no time."""
    now = [0.0]
    return await_etl(
        cast("DataApi", server),
        "p",
        progress(0),
        rows,
        wait_s=wait_s,
        clock=lambda: now[0],
        sleep=lambda seconds: now.__setitem__(0, now[0] + seconds),
    )


def test_the_outcome_is_that_of_the_imported_rows() -> None:
    """What was featured and quarantined before does not count, and the first reasons are new."""
    server = Server(progress(100, 3), progress(527, 5))
    server.entries = [entry(number) for number in (7, 8, 9)]
    began = watch(server)
    server.entries += [entry(10), entry(11, digest=None), entry(12)]

    assert began.outcome(429, wait_s=0) == EtlOutcome(
        featured=427,
        quarantined=2,
        only_these_rows=True,
        first_quarantined=[entry(10), entry(12)],
    )


@pytest.mark.parametrize("featured", [100, 130, 140])
def test_other_rows_and_repetitions_are_not_passed_off_as_the_import(featured: int) -> None:
    """Rows that were imported before, or that came in meanwhile, are reported as such."""
    server = Server(progress(100), progress(featured))
    found = watch(server).outcome(35, wait_s=0)

    assert (featured - 100, False) == (found.featured, found.only_these_rows)


def test_it_waits_until_etl_is_past_the_import() -> None:
    """An etl that is half way, and a data API that is away for a moment, are waited for."""
    away = Unavailable("no answer", retry_after_s=5.0)
    server = Server(progress(0, waiting=3), away, progress(1, waiting=2), progress(2, 1))

    assert progress(2, 1) == awaited(server, 3)


def test_a_clock_that_is_behind_ends_no_wait_too_early() -> None:
    """Rows stored later than this machine's clock says are waited for all the same."""
    server = Server(progress(0), progress(0, waiting=3), progress(3))

    assert progress(3) == awaited(server, 3)
    assert [True, False, True] == server.bounded


def test_the_wait_has_a_bound() -> None:
    """An etl that does not come is an error that says how many requests wait, and what to do."""
    with pytest.raises(Unavailable, match=r"p: .* after 2 s: 429 requests wait \(is etl running"):
        awaited(Server(progress(0, waiting=429)), 429, wait_s=2.0)


def test_features_that_fail_are_not_waited_for() -> None:
    """Waiting can't mend a features.py that fails, and the error says what can."""
    failed = progress(0, waiting=3, failure="ZeroDivisionError")

    with pytest.raises(Refused, match=r"ZeroDivisionError.*mend that, most often in features\.py"):
        awaited(Server(failed), 3)
