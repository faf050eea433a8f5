"""What the application stands on, ready made.

`main` builds it once; tests build it on their own databases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mlplatform.access import AccessList
from mlplatform.dataapi.balance import Balance
from mlplatform.dataapi.corrections import Corrections
from mlplatform.dataapi.datasets import Datasets
from mlplatform.dataapi.dead_letters import DeadLetters
from mlplatform.dataapi.evidence import StoredEvidence
from mlplatform.dataapi.forget import Forget
from mlplatform.dataapi.gathered import GatheredLog
from mlplatform.dataapi.imports import Imports
from mlplatform.dataapi.labels import Labels
from mlplatform.dataapi.ledger import Ledger
from mlplatform.dataapi.models import Models
from mlplatform.dataapi.outboxes import Outboxes
from mlplatform.dataapi.pipelines import Pipelines
from mlplatform.dataapi.quarantine import Quarantine
from mlplatform.dataapi.queue_offsets import QueueOffsets
from mlplatform.dataapi.retention import Retention
from mlplatform.dataapi.run_tokens import RunTokens
from mlplatform.dataapi.runs import Runs
from mlplatform.dataapi.training import Training
from mlplatform.web.rate_limit import RateLimit


class Background(Protocol):
    """Work beside the requests: GatheredLog, Mirror, Readiness."""

    def start(self) -> None:
        """Begin, when the application starts."""
        ...

    def stop(self) -> None:
        """End; returns when it has."""
        ...


@dataclass(frozen=True)
class Collaborators:
    """Handlers of all subjects, and what decides who is let in.

    `ready` raises what is missing and returns what is degraded; `close` frees it all, in the end.
    """

    access: AccessList
    run_tokens: RunTokens
    limit: RateLimit
    max_body_bytes: int
    stall_s: float
    gathered: GatheredLog
    datasets: Datasets
    imports: Imports
    labels: Labels
    quarantine: Quarantine
    corrections: Corrections
    dead_letters: DeadLetters
    pipelines: Pipelines
    training: Training
    runs: Runs
    models: Models
    outboxes: Outboxes
    queue_offsets: QueueOffsets
    balance: Balance
    evidence: StoredEvidence
    ledger: Ledger
    retention: Retention
    forget: Forget
    ready: Callable[[], Mapping[str, str]]
    close: Callable[[], None]
    background: Sequence[Background] = ()
