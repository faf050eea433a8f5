"""The requests that wait for a model, in an order that is fair to every caller."""

from __future__ import annotations

from collections import deque

from mlplatform.serving.request import PendingRequest


class FairQueue:
    """Callers take turns, one request each; a caller's own requests keep their order.

    So a caller who has queued a thousand requests holds up another's one by a single request. Every
    step takes the same time, however many wait. False while it is empty.
    """

    def __init__(self) -> None:
        self._of: dict[str, deque[PendingRequest]] = {}  # no empty ones
        self._turns: deque[deque[PendingRequest]] = deque()  # the same, the next one first
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def append(self, pending: PendingRequest) -> None:
        """Take a request; a caller who had none comes last."""
        own = self._of.get(pending.caller)
        if own is None:
            own = self._of[pending.caller] = deque()
            self._turns.append(own)
        own.append(pending)
        self._size += 1

    def first(self) -> PendingRequest:
        """The request that `pop` returns next."""
        return self._turns[0][0]

    def pop(self) -> PendingRequest:
        """Take the next request out; its caller comes last now."""
        own = self._turns[0]
        pending = own.popleft()
        self._size -= 1
        if not own:
            self._turns.popleft()
            del self._of[pending.caller]
        elif len(self._turns) > 1:
            self._turns.rotate(-1)
        return pending
