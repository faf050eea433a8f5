"""The ledger: who touched which data."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from mlplatform.contracts.frozen import FrozenAnswer


class LedgerEntry(FrozenAnswer):
    """One access to data."""

    id: int
    at: datetime
    caller: str
    action: str
    subject: str
    columns: list[str] | None
    rows: int | None
    lsn: str | None
    outcome: str = Field(
        description="ok, opened (a stream that began), cut (its reader went away), "
        "or the class of the refusal."
    )
    detail: dict[str, Any]
