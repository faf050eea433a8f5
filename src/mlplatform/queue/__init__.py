"""The queue between shipper and consumer: Kafka, or an embedded one, behind one interface.

See docs/concepts/queue.md.
"""

from __future__ import annotations

from mlplatform.queue.connect import checkpoint_queue, ensure_topic, open_consumer, open_producer
from mlplatform.queue.interface import Bind, Consumer, Positions, Producer, QueueRecord

__all__ = [
    "Bind",
    "Consumer",
    "Positions",
    "Producer",
    "QueueRecord",
    "checkpoint_queue",
    "ensure_topic",
    "open_consumer",
    "open_producer",
]
