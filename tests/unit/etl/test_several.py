"""etl over several raw servers."""

from __future__ import annotations

from typing import Any, cast

import pytest

from mlplatform.errors import Unavailable
from mlplatform.etl.several import ShardWorkers


class Server:
    """A worker's steps: so many requests each, or away."""

    def __init__(self, requests: int) -> None:
        self.requests, self.away, self.steps = requests, False, 0

    def step(self) -> int:
        """As Worker.step."""
        self.steps += 1
        if self.away:
            raise Unavailable("away")
        return self.requests


def workers_of(
    *servers: Server, redriver: Server | None = None, rest_s: float = 60.0
) -> ShardWorkers:
    """ShardWorkers over these."""
    found = {str(n): cast("Any", one) for n, one in enumerate(servers)}
    return ShardWorkers(found, cast("Any", redriver or Server(0)), rest_s=rest_s)


def test_one_that_is_away_does_not_hold_up_the_others() -> None:
    """The others make their steps, and the one that is away is not asked at each of them."""
    first, second = Server(3), Server(4)
    workers = workers_of(first, second)
    assert 7 == workers.step()
    second.away = True
    assert [3, 3, 3] == [workers.step() for _ in range(3)]
    assert (4, 2) == (first.steps, second.steps)


def test_one_that_is_back_goes_on() -> None:
    """After its rest it is tried again."""
    first, second = Server(3), Server(4)
    workers = workers_of(first, second, rest_s=0.0)
    second.away = True
    workers.step()
    second.away = False
    assert 7 == workers.step()


@pytest.mark.parametrize("count", [1, 3])
def test_all_away_is_an_outage(count: int) -> None:
    """Then the loop backs off, and each is tried again after the pause."""
    servers = [Server(1) for _ in range(count)]
    for each in servers:
        each.away = True
    workers = workers_of(*servers)
    for _ in range(2):
        with pytest.raises(Unavailable):
            workers.step()
    assert [2] * count == [each.steps for each in servers]


def test_redrives_that_wait_for_a_server_hold_up_nobody() -> None:
    """They rest by themselves, while every server goes on at its own pace."""
    first, second, redriver = Server(3), Server(4), Server(0)
    redriver.away = True
    workers = workers_of(first, second, redriver=redriver)
    assert [7, 7, 7] == [workers.step() for _ in range(3)]
    assert (3, 3, 1) == (first.steps, second.steps, redriver.steps)
