"""Checkpoints: where the chain of each outbox stands, written where the databases' owner can't.

To a topic of their own in the queue, and to a folder if one is set. They tell what the queue has
acknowledged. What can't be written is tried again with the next one: shipping never waits for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from mlplatform.contracts.checkpoint import Checkpoint
from mlplatform.contracts.request import decode_tail
from mlplatform.errors import PlatformError
from mlplatform.evidence.signatures import Signer
from mlplatform.queue import Producer
from mlplatform.settings import AuditSettings
from mlplatform.shipper.checkpoint_places import CheckpointFolder, CheckpointTopic
from mlplatform.shipper.sender import OutboxShipper
from mlplatform.telemetry import counter, gauge, logger
from mlplatform.watchdog import turned

_log = logger("shipper")


class CheckpointWriter:
    """Used by the shipper's thread. `connect` opens the topic of checkpoints.

    Raises InvalidInput for a key that is none.
    """

    def __init__(
        self,
        settings: AuditSettings,
        connect: Callable[[], Producer],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._topic = CheckpointTopic(connect)
        self._places = [self._topic.write]
        if settings.folder is not None:
            self._places.append(CheckpointFolder(settings.folder).write)
        self._clock = clock
        self._signer = None if settings.key is None else Signer(settings.key.get_secret_value())
        self._at = clock()
        self._written: dict[str, int] = {}  # outbox -> the number of its last checkpoint
        self._complaint = ""

    def write(self, outboxes: Sequence[OutboxShipper], *, last: bool = False) -> None:
        """Write one for each outbox that has sent something since, if it is time, or the end."""
        every = self._settings.checkpoint_every_s
        if not every or not (last or self._clock() - self._at >= every):
            return
        self._at = self._clock()
        found = [self._of(outbox.last_sent) for outbox in outboxes]
        fresh = [
            each for each in found if each and self._written.get(each.outbox_id) != each.number
        ]
        if fresh:
            turned()
            self._keep(fresh)

    def close(self) -> None:
        """Give up the connection."""
        self._topic.close()

    def _of(self, payload: bytes | None) -> Checkpoint | None:
        tail = None if payload is None else decode_tail(payload)
        if tail is None or tail.proof is None:
            return None  # an earlier version of serving writes there
        plain = Checkpoint(
            outbox_id=tail.outbox_id,
            number=tail.sequence,
            chain=tail.proof.chain.hex(),
            at=datetime.now(UTC),
        )
        return self._signer.sign(plain) if self._signer else plain

    def _keep(self, found: Sequence[Checkpoint]) -> None:
        complaints = [complaint for place in self._places if (complaint := _tried(place, found))]
        if not complaints:
            self._written |= {each.outbox_id: each.number for each in found}
            counter("audit_checkpoints_total").inc(len(found))
            gauge("audit_checkpoint_timestamp_seconds").set(time.time())
        complaint = "; ".join(complaints)
        if complaint and complaint != self._complaint:
            _log.warning("checkpoints can't be written; tried again", error=complaint)
        self._complaint = complaint


def _tried(place: Callable[[Sequence[Checkpoint]], None], found: Sequence[Checkpoint]) -> str:
    """Why it failed, or nothing."""
    try:
        place(found)
    except (OSError, PlatformError) as error:
        return str(error)
    return ""
