"""The check that a stored position is one the queue can go on from."""

from __future__ import annotations

from mlplatform.errors import RecordsGone


def check_position(topic: str, partition: int, position: int, first: int, end: int) -> None:
    """Raise RecordsGone unless `first <= position <= end`, the offsets that the partition holds.

    Reading on regardless would turn a loss into silence: the numbers of the outboxes would show it, but much later.
    """
    where = f"topic = '{topic}' AND partition = {partition}"
    if position < first:
        raise RecordsGone(
            f"{first - position} records of {topic}/{partition} are gone: the database ends before offset {position}, the queue begins at {first}",
            fix=f"restore them, or accept the loss with: UPDATE raw.offsets SET next_offset = {first} WHERE {where}",  # noqa: S608  (text for a person)
        )
    if position > end:
        raise RecordsGone(
            f"{topic}/{partition} ends at offset {end}, but records up to {position} were stored from it: the topic was made anew or has lost data",
            fix=f"use another topic name, or accept it with: UPDATE raw.offsets SET next_offset = {end} WHERE {where}",  # noqa: S608  (text for a person)
        )
