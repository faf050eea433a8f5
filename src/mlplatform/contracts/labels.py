"""Labels: what turned out to be true of a row that was predicted."""

from __future__ import annotations

from pydantic import Field

from mlplatform.contracts.frozen import Frozen, FrozenAnswer


class RowLabel(Frozen):
    """One label. A later one for the same row corrects it."""

    request_id: str
    row: int = Field(default=0, description="Place in the request, 0 is the first.")
    label: str | int | float | bool
    pipeline: str | None = Field(
        default=None, description="Needed for requests that are not stored yet."
    )


class LabelRefusal(FrozenAnswer):
    """A label that was refused; it is kept in quarantine."""

    index: int
    field: str
    reason: str


class LabelsResult(FrozenAnswer):
    """Labels that were stored, and those that were refused."""

    accepted: int
    refused: list[LabelRefusal]
