"""What an outbox says of itself: to the data API, whose balance compares it with the rows.

Serving shows it to everybody.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from mlplatform.contracts.frozen import Frozen, FrozenAnswer
from mlplatform.contracts.pipeline import PIPELINE_NAME
from mlplatform.contracts.text import Word

Name = Annotated[str, StringConstraints(pattern=PIPELINE_NAME)]
Number = Annotated[int, Field(ge=0, le=2**63 - 1)]


MOST_DAMAGES = 100


class DamagedRange(Frozen):
    """Numbers of records that the disk damaged, and where they lie in the outbox's folder."""

    first: Number
    last: Number
    file: Word
    offset: Number


class OutboxReport(Frozen):
    """What an outbox says of itself. `versions`: pipeline -> version that answers there."""

    host: Word
    accepted: Number
    acknowledged: Number
    versions: dict[Name, Word] = Field(default_factory=dict)
    closed: bool = Field(
        default=False, description="Drained and gone for good: the queue holds all of it."
    )
    incarnation: UUID | None = Field(
        default=None, description="The run that numbers under this identity."
    )
    previous: UUID | None = Field(
        default=None, description="The run that did before, as the folder knows."
    )
    damaged: list[DamagedRange] = Field(default_factory=list, max_length=MOST_DAMAGES)


class OutboxAnswer(FrozenAnswer):
    """What is known of an outbox: by it the outbox finds that it is an older or a second copy."""

    known: int = Field(default=0, description="The highest number reported or stored.")
    superseded: bool = Field(
        default=False,
        description="Another run has this identity, or was further: a report that counts nothing.",
    )
    resets: int = Field(
        default=0,
        description="How often the queue was reset. When it rises, the outbox sends again what it "
        "still holds: the queue may have lost what it had acknowledged.",
    )


class OutboxView(FrozenAnswer):
    """The outbox's numbers, and which version of each pipeline serves."""

    outbox_id: str
    accepted: int = Field(description="Number of the last record that is durable.")
    acknowledged: int = Field(description="Number of the last record that the queue has.")
    bytes: int
    versions: dict[str, str]
