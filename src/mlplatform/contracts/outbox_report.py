"""What an outbox says of itself: to the data API, whose balance compares it with the rows.

Serving shows it to everybody.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from mlplatform.contracts.frozen import Frozen, FrozenAnswer
from mlplatform.contracts.pipeline import PIPELINE_NAME
from mlplatform.contracts.text import Word

Name = Annotated[str, StringConstraints(pattern=PIPELINE_NAME)]
Number = Annotated[int, Field(ge=0, le=2**63 - 1)]


class OutboxReport(Frozen):
    """What an outbox says of itself. `versions`: pipeline -> version that answers there."""

    host: Word
    accepted: Number
    acknowledged: Number
    versions: dict[Name, Word] = Field(default_factory=dict)
    closed: bool = Field(
        default=False, description="Drained and gone for good: the queue holds all of it."
    )


class OutboxView(FrozenAnswer):
    """The outbox's numbers, and which version of each pipeline serves."""

    outbox_id: str
    accepted: int = Field(description="Number of the last record that is durable.")
    acknowledged: int = Field(description="Number of the last record that the queue has.")
    bytes: int
    versions: dict[str, str]
