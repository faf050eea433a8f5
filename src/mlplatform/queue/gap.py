"""The check that a stored position is one the queue can go on from."""

from __future__ import annotations

from mlplatform.errors import RecordsGone
from mlplatform.telemetry import counter


def check_position(topic: str, partition: int, position: int, first: int, end: int) -> None:
    """Raise RecordsGone unless `first <= position <= end`, the offsets that the partition holds.

    Reading on regardless would hide a loss: the numbers of the outboxes would show it, but much
    later.
    """
    accept = "accept it in raw.offsets: set next_offset to {} for topic {} and partition {}"
    if position < first:
        counter("consumer_gone_records_total").labels(str(partition)).inc(first - position)
        raise RecordsGone(
            f"{first - position} records of {topic}/{partition} are gone: "
            f"the database ends before offset {position}, the queue begins at {first}",
            fix="restore them, or " + accept.format(first, topic, partition),
        )
    if position > end:
        raise RecordsGone(
            f"{topic}/{partition} ends at offset {end}, but records up to {position} "
            "were stored from it: the topic was made anew or has lost data",
            fix="use another topic name, or " + accept.format(end, topic, partition),
        )
