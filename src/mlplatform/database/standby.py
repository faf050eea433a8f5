"""Proof that a session speaks to a standby.

A session survives the promotion of the server it was opened on, and a name or a port may lead
anywhere after a failover: so the session itself is asked, before the read and again after its last
row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlplatform import telemetry
from mlplatform.database import queries
from mlplatform.errors import StandbyLagging, StandbyUnproven

PROOF = queries.load("standby")["proof"]
STILL_STANDBY = queries.load("standby")["still_standby"]
TRIGGER_MARK = "mlplatform_reader is refused on a primary"
"""Part of the login trigger's message (sql/roles.sql): no other failed login has it."""


@dataclass(frozen=True)
class Position:
    """A proven standby and how far it is."""

    server: str  # host:port as the server sees itself
    lsn: str  # replayed up to here
    timeline: int
    lag_bytes: int  # WAL known to exist and not replayed yet


def judge(row: Sequence[Any] | None, *, max_lag_bytes: int) -> Position:
    """The position behind a row of `PROOF`.

    Raises StandbyUnproven or StandbyLagging; counts refusals, records the lag.
    """
    if row is None:
        raise refusal("no_answer", "the server did not say whether it is a standby")
    standby, server, lsn, timeline, streaming, lag_bytes = row
    if not standby:
        raise refusal("primary", f"{server} is a primary; reads go to a standby only")
    if not streaming or lag_bytes is None:
        telemetry.counter("dataapi_standby_refusals_total").labels("not_streaming").inc()
        raise StandbyLagging(
            f"the standby {server} is not receiving from its primary", retry_after_s=5.0
        )
    telemetry.gauge("dataapi_standby_lag_bytes").set(lag_bytes)
    if lag_bytes > max_lag_bytes:
        telemetry.counter("dataapi_standby_refusals_total").labels("lag").inc()
        raise StandbyLagging(
            f"the standby {server} is {lag_bytes} bytes behind, {max_lag_bytes} are allowed",
            retry_after_s=2.0,
        )
    return Position(
        server=str(server), lsn=str(lsn), timeline=int(timeline), lag_bytes=int(lag_bytes)
    )


def judge_end(row: Sequence[Any] | None, *, server: str) -> None:
    """Judge a row of `STILL_STANDBY`, asked after the last row. Raises StandbyUnproven."""
    if row is None or not row[0]:
        raise refusal(
            "promoted", f"{server} was promoted while it was read; what was read is thrown away"
        )


def refusal(reason: str, message: str) -> StandbyUnproven:
    """A counted StandbyUnproven."""
    telemetry.counter("dataapi_standby_refusals_total").labels(reason).inc()
    return StandbyUnproven(message, retry_after_s=2.0)
