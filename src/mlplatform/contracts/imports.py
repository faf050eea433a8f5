"""History rows that are sent to a dataset, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ConfigDict, Field

from mlplatform.contracts.frozen import FrozenAnswer


@dataclass(frozen=True, slots=True)
class ImportedRequest:
    """So many rows: `inputs` is JSON, name -> list of `rows` values."""

    rows: int
    inputs: str


class ImportRefusal(FrozenAnswer):
    """Why a record of an import went to quarantine."""

    record: int = Field(description="Place in the body, 1 is the first.")
    field: str
    reason: str


class ImportResult(FrozenAnswer):
    """How far the import is.

    `topic` and `last_offset` are its place in the raw requests: etl has it when it is past that.
    """

    model_config = ConfigDict(populate_by_name=True)

    key: str = Field(
        alias="import", description="Key; the same body sent with it again is not stored twice."
    )
    accepted: int
    quarantined: int
    first_reasons: list[ImportRefusal]
    topic: str
    last_offset: int | None
