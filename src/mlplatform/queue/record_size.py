"""The check that records are not too large, before any of them is sent."""

from __future__ import annotations

from collections.abc import Sequence

from mlplatform.errors import TooLarge
from mlplatform.settings import QueueSettings


def check_sizes(messages: Sequence[tuple[bytes, bytes]], settings: QueueSettings) -> None:
    """Raise TooLarge when the value of a (key, value) pair is above the settings' limit."""
    largest = max((len(value) for _, value in messages), default=0)
    if largest > settings.max_record_bytes:
        raise TooLarge(
            f"a record of {largest} bytes is above {settings.max_record_bytes}",
            field="queue.max_record_bytes",
        )
