"""In place of the recorder where requests are not stored: a 200 promises nothing then."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from mlplatform.outbox import OutboxStatus
from mlplatform.serving.request import PendingRequest


class Unrecorded:
    """Lets every answer go at once. See RequestRecorder."""

    def __init__(self, *, max_record_bytes: int) -> None:
        self.max_record_bytes = max_record_bytes
        self._outbox_id = str(uuid4())
        self._answered = 0

    def start(self) -> None:
        """Nothing has to run."""

    def submit(self, requests: Sequence[PendingRequest]) -> None:
        """Let the answers go."""
        self._answered += len(requests)
        for pending in requests:
            pending.finish()

    def commit_s(self) -> float:
        """No time."""
        return 0.0

    def refuse_if_hung(self) -> None:
        """There is no disk to wait for."""

    async def status(self) -> OutboxStatus:
        """Everything that was answered counts as sent: nothing of it waits."""
        return OutboxStatus(self._outbox_id, self._answered, self._answered, 0)

    async def close(self) -> None:
        """Nothing is open."""
