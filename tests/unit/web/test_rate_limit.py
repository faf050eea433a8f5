"""Token buckets."""

from __future__ import annotations

import pytest

from mlplatform.errors import Overloaded
from mlplatform.web import rate_limit
from mlplatform.web.rate_limit import RateLimit


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_passes_and_the_rate_counts_from_then_on() -> None:
    """`burst` requests pass at once, then one per 1/rate seconds; the refusal says when."""
    clock = _Clock()
    limit = RateLimit(rate_per_s=2, burst=3, clock=clock)
    for _ in range(3):
        limit.take("ann")
    with pytest.raises(Overloaded) as caught:
        limit.take("ann")
    clock.now += 0.5
    limit.take("ann")

    assert 0.5 == caught.value.retry_after_s


def test_refused_requests_cost_nothing() -> None:
    """A caller that retries while it is refused is let in as early as one that waits."""
    clock = _Clock()
    limit = RateLimit(rate_per_s=1, burst=1, clock=clock)
    limit.take("ann")
    for _ in range(9):
        clock.now += 0.1
        with pytest.raises(Overloaded):
            limit.take("ann")
    clock.now += 0.1001
    limit.take("ann")


def test_callers_have_buckets_of_their_own() -> None:
    """One caller's flood does not touch another; a long pause fills no bucket above its burst."""
    clock = _Clock()
    limit = RateLimit(rate_per_s=1, burst=1, clock=clock)
    limit.take("ann")
    limit.take("bob")
    clock.now += 1_000
    limit.take("ann")
    with pytest.raises(Overloaded):
        limit.take("ann")


def test_buckets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names from outside can't fill memory: the bucket that was used longest ago goes."""
    monkeypatch.setattr(rate_limit, "MOST_BUCKETS", 2)
    limit = RateLimit(rate_per_s=1e-9, burst=1, clock=_Clock())
    for name in ("a", "b", "c"):
        limit.take(name)
    limit.take("a")
    with pytest.raises(Overloaded):
        limit.take("c")
