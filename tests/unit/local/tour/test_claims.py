"""Claims of the tour: what happens to those that do not hold."""

from __future__ import annotations

import pytest

from mlplatform.errors import PlatformError, TryLater, Unavailable
from mlplatform.local.tour import claims


def test_a_claim_that_does_not_hold_ends_the_tour() -> None:
    """The error has the words of the claim."""
    claims.expect(True, "never said")

    with pytest.raises(PlatformError, match="the import refused rows"):
        claims.expect(False, "the import refused rows")


def test_a_claim_may_come_true_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing found yet, and a server that is not ready, are waited for."""
    monkeypatch.setattr(claims, "POLL_S", 0.0)
    answers = iter([None, TryLater("starting"), "2"])

    def version() -> str | None:
        answer = next(answers)
        if isinstance(answer, TryLater):
            raise answer
        return answer

    assert "2" == claims.until(version, "no version")


def test_a_claim_that_stays_untrue_names_the_last_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the time is over the error says what was waited for, and why it did not come."""
    monkeypatch.setattr(claims, "POLL_S", 0.0)

    def version() -> str | None:
        raise TryLater("serving is starting")

    with pytest.raises(Unavailable, match=r"no version after 0.05 s \(serving is starting"):
        claims.until(version, "no version", seconds=0.05)
