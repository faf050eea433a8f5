"""When a batch waits a turn more for requests that are about to come along."""

from __future__ import annotations

import pytest

from mlplatform.serving.gathering import Gathering


def after(*sizes: int, commit_s: float = 60.0) -> Gathering:
    """Batches of these sizes have been answered."""
    gathering = Gathering(lambda: commit_s)
    for size in sizes:
        gathering.closed(size)
    return gathering


@pytest.mark.parametrize("sizes", [(), (1, 1), (8, 1, 1)])
def test_who_asks_alone_does_not_wait(sizes: tuple[int, ...]) -> None:
    """After two batches of one request nobody else is expected."""
    gathering = after(*sizes)

    assert gathering.alone
    assert not gathering.worth(1)


def test_a_batch_waits_as_long_as_every_turn_brings_another_request() -> None:
    """The first turn that brings nothing ends it."""
    gathering = after(8, 8)

    assert not gathering.alone
    assert [True, True, True, False] == [gathering.worth(waiting) for waiting in (1, 3, 4, 4)]


def test_a_batch_as_large_as_lately_does_not_wait() -> None:
    """All who were expected are there."""
    gathering = after(8, 8)

    assert [True, False] == [gathering.worth(waiting) for waiting in (5, 8)]


@pytest.mark.parametrize("sizes", [(6, 2), (2, 6)])
def test_a_batch_that_was_cut_short_does_not_hide_the_others(sizes: tuple[int, int]) -> None:
    """Otherwise callers would fall into two groups that never meet."""
    assert after(*sizes).worth(4)


def test_the_next_batch_is_decided_anew() -> None:
    """As many as waited for the last one are more than none."""
    gathering = after(8, 8)
    gathering.worth(3)
    gathering.closed(3)

    assert gathering.worth(3)


def test_nobody_waits_where_storing_takes_no_time() -> None:
    """There is nothing to share."""
    assert not after(8, 8, commit_s=0.0).worth(3)
