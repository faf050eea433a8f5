"""`mlplatform check`: each promise is a finding of its own."""

from __future__ import annotations

from typing import Any, cast

import pytest

from mlplatform.cli import check
from mlplatform.cli.promises import PlatformPromises
from mlplatform.contracts.balance import BalanceSheet, OutboxBalance, RequestsBalance
from mlplatform.contracts.promotion import ModelStatus
from mlplatform.errors import PlatformError, UnknownName

PLATFORM: Any = None  # used only where a version answers
OUTBOX = OutboxBalance(
    outbox_id="0f2c",
    host="pod",
    accepted=7,
    acknowledged=7,
    stored=5,
    dead_lettered=0,
    in_flight=0,
    missing=[(3, 4)],
    oldest_gap_s=9.0,
    versions={},
    closed=False,
    seen_at=None,
)


class Answers:
    """Knows one pipeline, of which no version is promoted, and one outbox."""

    missing: tuple[tuple[int, int], ...] = ((3, 4),)

    def model_status(self, name: str) -> ModelStatus:
        """As DataApi.model_status."""
        if name == "known":
            return ModelStatus(
                pipeline=name, record=0, champion=None, candidate=None, previous=None
            )
        raise UnknownName("no pipeline of that name")

    def balance(self) -> BalanceSheet:
        """As DataApi.balance."""
        outbox = OUTBOX.model_copy(update={"missing": list(self.missing)})
        requests = RequestsBalance(stored=5, dead_lettered=0)
        return BalanceSheet(outboxes=[outbox], requests=requests, rows={})


def found(name: str, *, must: bool) -> list[tuple[str, str]]:
    """State and detail of each finding."""
    api = cast("Any", Answers())
    return [
        (finding.state, finding.detail)
        for finding in check._of_pipeline(PLATFORM, api, name, 1.0, must=must)
    ]


def test_a_pipeline_that_nobody_applied_is_a_finding() -> None:
    """A name that the data API doesn't know is one broken promise; the check goes on to others."""
    assert [("failed", "no pipeline of that name")] == found("unknown", must=False)


def test_a_pipeline_without_a_version_is_skipped_unless_it_was_named() -> None:
    """Before the first promotion nothing can be proven; a named pipeline needs an answer."""
    assert [("skipped", "no version is promoted yet")] == found("known", must=False)
    assert [("failed", "no version is promoted")] == found("known", must=True)


def test_a_missing_request_breaks_a_promise() -> None:
    """A gap of an outbox is named; without one the counts are shown."""
    answers = Answers()
    promises = PlatformPromises(PLATFORM, cast("Any", answers))

    with pytest.raises(PlatformError, match=r"outbox 0f2c misses \[\(3, 4\)\]"):
        promises.nothing_is_missing()

    answers.missing = ()
    assert (
        "7 accepted, 5 stored, the rest on its way, none missing" == promises.nothing_is_missing()
    )
