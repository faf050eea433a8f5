"""Every process is killed once while requests come in."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from whole import NAME, Platform

from mlplatform.errors import TryLater
from mlplatform.local.tour import traffic


@pytest.mark.parametrize(
    "victim",
    ["shipper", "consumer", "etl", "dataapi", "mlflow", "postgres-primary", "postgres-standby"],
)
def test_a_killed_process_behind_serving_costs_no_answer(platform: Platform, victim: str) -> None:
    """What lies behind the outbox may die: every request is answered all along, stored once, and the balance closes."""
    with platform.load() as load:
        platform.kill(victim)
        load.await_answers(20)

    assert load.refused == []


def test_killed_serving_keeps_every_request_it_answered(platform: Platform) -> None:
    """Serving may die in the middle of requests: those it answered are stored, and it answers again from its cache on disk."""
    with platform.load() as load:
        platform.kill("serving")
        load.await_answers(20)

    assert all(isinstance(error, TryLater) for error in load.refused)


def test_no_dataset_while_the_standby_is_away(platform: Platform) -> None:
    """Without a standby there is no dataset and no training: the primary is up, and is not read instead."""
    processes = platform.stack.supervisor
    with platform.load() as load:
        processes.stop("postgres-standby")
        with pytest.raises(TryLater):
            traffic.stored(platform.admin, NAME, datetime(2000, 1, 1, tzinfo=UTC))
        processes.start("postgres-standby")

    assert load.refused == []
