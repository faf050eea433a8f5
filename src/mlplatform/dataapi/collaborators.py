"""What the application stands on, ready made.

`main` builds it once; tests build it on their own databases.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mlplatform.access import AccessList
from mlplatform.dataapi.balance import Balance
from mlplatform.dataapi.books import DoorBook
from mlplatform.dataapi.datasets import Datasets
from mlplatform.dataapi.feedback import Feedback
from mlplatform.dataapi.imports import Imports
from mlplatform.dataapi.limits import RateLimit
from mlplatform.dataapi.models import Models
from mlplatform.dataapi.pipelines import Pipelines
from mlplatform.dataapi.records import Ledger, Outboxes, Quarantine
from mlplatform.dataapi.training import Training


class Background(Protocol):
    """Work beside the requests: DoorBook and Mirror."""

    def start(self) -> None:
        """Begin, when the application starts."""
        ...

    def stop(self) -> None:
        """End; returns when it has."""
        ...


@dataclass(frozen=True)
class Collaborators:
    """Handlers of all subjects, and what guards the door.

    `ready` raises what is missing; `close` frees it all, in the end.
    """

    access: AccessList
    limit: RateLimit
    max_body_bytes: int
    stall_s: float
    door_book: DoorBook
    datasets: Datasets
    imports: Imports
    feedback: Feedback
    quarantine: Quarantine
    pipelines: Pipelines
    training: Training
    models: Models
    outboxes: Outboxes
    balance: Balance
    ledger: Ledger
    ready: Callable[[], None]
    close: Callable[[], None]
    background: Sequence[Background] = ()
