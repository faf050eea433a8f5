"""The check that a stored position is one the queue can go on from."""

from __future__ import annotations

from mlplatform.errors import RecordsGone
from mlplatform.telemetry import counter


def check_position(topic: str, partition: int, position: int, first: int, end: int) -> None:
    """Raise RecordsGone unless `first <= position <= end`, the offsets that the partition holds.

    Reading on regardless would hide a loss: the numbers of the outboxes would show it, but much
    later.
    """
    reset = "`mlplatform queue reset`, which says what is given up"
    if position < first:
        counter("consumer_gone_records_total").labels(str(partition)).inc(first - position)
        raise RecordsGone(
            f"{first - position} records of {topic}/{partition} are gone: "
            f"the database ends before offset {position}, the queue begins at {first}",
            fix=f"restore them; or {reset}",
        )
    if position > end:
        raise RecordsGone(
            f"{topic}/{partition} ends at offset {end}, but records up to {position} "
            "were stored from it: the topic was made anew or has lost data",
            fix=f"bring the old queue back; or {reset}",
        )
