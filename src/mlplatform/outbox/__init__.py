"""The durable outbox: a folder where accepted requests wait until the queue has acknowledged them.

See docs/concepts/outbox.md.
"""

from __future__ import annotations

from mlplatform.outbox.reader import OutboxReader
from mlplatform.outbox.record import OutboxRecord, OutboxStatus
from mlplatform.outbox.writer import OutboxWriter

__all__ = ["OutboxReader", "OutboxRecord", "OutboxStatus", "OutboxWriter"]
