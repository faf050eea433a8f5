"""What is stored of the queue, and giving it up."""

from __future__ import annotations

from pydantic import Field

from mlplatform.contracts.frozen import Frozen, FrozenAnswer


class QueuePlace(FrozenAnswer):
    """How far one partition of the queue is stored."""

    topic: str
    partition: int
    next_offset: int = Field(description="Offset of the next record to store.")
    topic_id: str | None = Field(
        description="The id of the topic that it was read from; null while it is not known."
    )
    shard: str = Field(default="raw", description="The raw server that stores it.")
    refused: str | None = Field(
        default=None, description="Why the consumer reads no further; null while it does."
    )


class QueueState(FrozenAnswer):
    """What is stored of the queue."""

    places: list[QueuePlace]
    perhaps_lost: int = Field(
        description="Requests that the queue has acknowledged and that are not stored: those that "
        "the queue no longer holds are lost. As far as the outboxes have reported."
    )


class QueueReset(Frozen):
    """Which topic's stored offsets are given up."""

    topic: str = Field(min_length=1)
