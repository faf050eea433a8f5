"""Every process is killed once while requests come in."""

from __future__ import annotations

import pytest
from whole import EVER, NAME, Platform

from mlplatform.errors import TryLater
from mlplatform.local.tour import traffic


@pytest.mark.parametrize(
    "victim",
    ["shipper", "consumer", "etl", "dataapi", "mlflow", "postgres-primary", "postgres-standby"],
)
def test_a_killed_process_other_than_serving_costs_no_answer(
    platform: Platform, victim: str
) -> None:
    """All requests are answered meanwhile, each is stored once, and the balance closes."""
    with platform.load() as load:
        platform.kill(victim)
        load.await_answers(20)

    assert [] == load.refused


def test_killed_serving_keeps_every_request_it_answered(platform: Platform) -> None:
    """Requests that serving answered before its end are stored; it starts again from its cache."""
    with platform.load() as load:
        platform.kill("serving")
        load.await_answers(20)

    assert all(isinstance(error, TryLater) for error in load.refused)


def test_no_dataset_while_the_standby_is_away(platform: Platform) -> None:
    """Without a standby no dataset is read: the primary is up, and is not read instead."""
    processes = platform.stack.supervisor
    with platform.load() as load:
        processes.stop("postgres-standby")
        with pytest.raises(TryLater):
            traffic.stored(platform.admin, NAME, EVER)
        processes.start("postgres-standby")

    assert [] == load.refused
