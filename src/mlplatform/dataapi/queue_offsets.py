"""The stored offsets of the queue: see them, and give them up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlplatform.access import Caller
from mlplatform.contracts.queue_offsets import QueuePlace, QueueReset, QueueState
from mlplatform.dataapi import rights, united
from mlplatform.dataapi.audit import AuditLog
from mlplatform.database import balance, queue_offsets
from mlplatform.database.balance import OutboxCount
from mlplatform.database.pools import PrimaryPool
from mlplatform.errors import UnknownName


class QueueOffsets:
    """Handler of the queue's offsets. Safe to share between threads."""

    def __init__(self, raws: Mapping[str, PrimaryPool], audit: AuditLog) -> None:
        self._raws = raws
        self._audit = audit

    def state(self, caller: Caller) -> QueueState:
        """What is stored, of all topics."""
        with self._audit.viewing(caller, "queue", roles=rights.VIEW_QUEUE.roles, pipeline=None):
            return self._state(None)

    def reset(self, caller: Caller, request: QueueReset) -> QueueState:
        """Give up what is stored of a topic: the consumer begins where the queue does.

        Returns what was given up. Raises UnknownName for a topic that nothing is stored of.
        """
        topic = request.topic
        with self._audit.change(
            caller, "reset", f"queue.{topic}", roles=rights.RESET_QUEUE.roles, pipeline=None
        ) as (entry, warehouse):
            given_up = self._state(topic)
            if not given_up.places:
                raise UnknownName(f"nothing is stored of a topic '{topic}'", field="topic")
            for shard, pool in self._raws.items():
                etl = queue_offsets.etl_places(warehouse, topic, shard=shard)
                with pool.transaction() as raw:
                    queue_offsets.reset(raw, topic, etl)
            entry.detail = {
                "offsets": {str(place.partition): place.next_offset for place in given_up.places},
                "topic_ids": _ids(given_up.places),
                "perhaps_lost": given_up.perhaps_lost,
            }
        return given_up

    def _state(self, topic: str | None) -> QueueState:
        places: list[QueuePlace] = []
        counted: list[OutboxCount] = []
        for shard, pool in self._raws.items():
            with pool.transaction() as raw:
                found = queue_offsets.places(raw, topic)
                counted += balance.outboxes(raw)
            places += [each.model_copy(update={"shard": shard}) for each in found]
        lost = sum(
            max(0, box.acknowledged - box.stored - box.dead_lettered)
            for box in united.outboxes(counted)
        )
        places.sort(key=lambda each: (each.topic, each.partition))
        return QueueState(places=places, perhaps_lost=lost)


def _ids(places: Sequence[QueuePlace]) -> list[str]:
    return sorted({place.topic_id for place in places if place.topic_id})
