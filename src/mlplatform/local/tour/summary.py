"""What the tour has shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from mlplatform.contracts.balance import BalanceSheet


@dataclass
class PipelineSummary:
    """One pipeline of the tour."""

    name: str
    commit: str = ""
    imported: int = 0  # history rows, at this start
    versions: list[str] = field(default_factory=list)  # that answered, in order
    format: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    trained_on: str = ""  # server role of the dataset's receipt
    training_rows: list[int] = field(default_factory=list)  # of each version trained at this start
    sent: int = 0  # live rows
    stored: int = 0  # of them, seen in the requests dataset on the standby
    labelled: int = 0
    approved_by_hand: bool = False


@dataclass
class Summary:
    """The whole tour. Seconds count from the start of the servers."""

    urls: Mapping[str, str] = field(default_factory=dict)
    tokens_file: str = ""
    first_start: bool = True
    ready_s: float = 0.0
    first_prediction_s: float = 0.0
    total_s: float = 0.0
    pipelines: dict[str, PipelineSummary] = field(default_factory=dict)
    balance: BalanceSheet | None = None
    memory_bytes: Mapping[str, int] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """For --json."""
        balance = self.balance.model_dump(mode="json") if self.balance else {}
        total = sum(self.memory_bytes.values())
        return asdict(self) | {"balance": balance, "memory_total_bytes": total}
