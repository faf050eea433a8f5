"""What answering a request asks of whatever keeps requests."""

from __future__ import annotations

from typing import Protocol

from mlplatform.errors import TooLarge
from mlplatform.outbox import OutboxStatus


class Recording(Protocol):
    """The outbox (`recorder`), or nothing (`unrecorded`). Used on the event loop."""

    max_record_bytes: int

    def start(self) -> None:
        """Requests may come from now on."""
        ...

    def commit_s(self) -> float:
        """How long what is stored next holds up the loop: 0 where the loop does not wait."""
        ...

    def refuse_if_hung(self) -> None:
        """Raise Unavailable while requests can't be stored for want of a disk that responds.

        Or of a queue, where answers wait for that.
        """
        ...

    async def status(self) -> OutboxStatus:
        """How much was taken and how much of it waits. Raises Unavailable."""
        ...

    async def close(self) -> None:
        """Store what was handed over; nothing comes after it."""
        ...


def too_large(size: int, limit: int) -> TooLarge:
    """The refusal of a request whose record the queue would not take."""
    return TooLarge(
        f"request and prediction take {size} bytes in a record, more than the {limit} allowed",
        field="body",
        fix="send fewer rows per request",
    )
