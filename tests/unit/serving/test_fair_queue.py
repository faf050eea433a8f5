"""The order in which callers' requests are taken."""

from __future__ import annotations

from collections import Counter, defaultdict
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from mlplatform.serving.fair_queue import FairQueue
from mlplatform.serving.request import PendingRequest

STEPS = st.lists(st.one_of(st.sampled_from("abcd"), st.none()), max_size=200)
"""A name: that caller sends a request. None: one is taken."""


def request(caller: str, number: int) -> PendingRequest:
    """What the queue needs of one."""
    return cast("PendingRequest", SimpleNamespace(caller=caller, number=number))


def taken(queue: FairQueue) -> Any:
    """The next request, which `first` has announced."""
    first = queue.first()
    assert first is queue.pop()
    return first


@given(STEPS)
def test_nothing_is_lost_and_a_caller_keeps_its_order(steps: list[str | None]) -> None:
    """Every request comes out once; those of one caller in the order in which they came."""
    queue, sent, found = FairQueue(), defaultdict(list), defaultdict(list)
    for number, caller in enumerate(steps):
        if caller is not None:
            queue.append(request(caller, number))
            sent[caller].append(number)
        elif queue:
            pending = taken(queue)
            found[pending.caller].append(pending.number)
    while queue:
        pending = taken(queue)
        found[pending.caller].append(pending.number)

    assert sent == found


@given(STEPS)
def test_nobody_is_passed_twice_by_another(steps: list[str | None]) -> None:
    """While a caller waits, each other one is served at most once before it."""
    queue, waiting = FairQueue(), Counter[str]()
    passed: dict[str, Counter[str]] = {}
    for number, caller in enumerate([*steps, *[None] * len(steps)]):
        if caller is not None:
            queue.append(request(caller, number))
            waiting[caller] += 1
            passed.setdefault(caller, Counter())
        elif queue:
            served = taken(queue).caller
            waiting[served] -= 1
            passed.pop(served)
            for other in passed.values():
                other[served] += 1
            if waiting[served]:
                passed[served] = Counter()
        assert all(max(others.values(), default=0) <= 1 for others in passed.values())


def test_one_request_does_not_wait_for_a_thousand() -> None:
    """A caller with one request comes second, however many another has queued."""
    queue = FairQueue()
    for number in range(1000):
        queue.append(request("bulk", number))
    queue.append(request("person", 0))

    assert ["bulk", "person", "bulk"] == [taken(queue).caller for _ in range(3)]
