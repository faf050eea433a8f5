"""The act that a request is: one caller at one route.

Handlers know no HTTP, and enter in the ledger what they do. Their route must know whether they did,
since what they did not enter it enters itself: so the present act goes with the request's context,
into the threads that work for it too.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from mlplatform.access import Caller


@dataclass
class Act:
    """`outcome` is that of the last entry which a handler made; None: it made none."""

    caller: Caller
    action: str
    subject: str
    route: str
    outcome: str | None = None


_present: ContextVar[Act | None] = ContextVar("act", default=None)


@contextmanager
def present(act: Act) -> Generator[None]:
    """Within the block, `entered` counts for this act."""
    token = _present.set(act)
    try:
        yield
    finally:
        _present.reset(token)


def entered(outcome: str) -> None:
    """The ledger has an entry of the present act, if there is one."""
    act = _present.get()
    if act is not None:
        act.outcome = outcome
