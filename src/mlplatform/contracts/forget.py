"""Forgetting: the rows of a person are removed wherever they are stored."""

from __future__ import annotations

from pydantic import Field

from mlplatform.contracts.frozen import Frozen, FrozenAnswer
from mlplatform.contracts.text import Text


class ForgetRequest(Frozen):
    """Forget all rows that have a key.

    It is sent in the body and never stored: not in the ledger, not in a log.
    """

    key: str = Field(
        min_length=1, max_length=2_000, description="Value of the pipeline's key column."
    )
    why: Text = Field(description="Reason, for the ledger. It stays: name no person in it.")
    dry_run: bool = Field(default=False, description="Only count what would be removed.")
    unreadable: bool = Field(
        default=False,
        description="Also remove dead letters and records of imports that can't be read and hold "
        "the key somewhere in their text.",
    )


class TrainedVersion(FrozenAnswer):
    """A version whose dataset held rows that were forgotten.

    A training of the last day that has made no version (yet) has an empty one, and the state
    `training`.
    """

    version: str
    state: str
    receipt_id: str
    rows: int = Field(
        description="Of its dataset; of one that read the latest rows only, at most so many."
    )


class Forgotten(FrozenAnswer):
    """What was removed, or would be. A row that was corrected or labelled counts in each kind."""

    pipeline: str
    entry: int | None = Field(default=None, description="Number of the ledger's entry.")
    requests: int = Field(default=0, description="Requests that hold such rows.")
    rows: int = Field(default=0, description="Rows of requests.")
    features: int = Field(default=0, description="Feature rows, of all features digests.")
    labels: int = Field(default=0, description="Labels, earlier ones too.")
    corrections: int = 0
    quarantined: int = Field(default=0, description="Entries of the quarantine: rows.")
    refused: int = Field(
        default=0, description="Entries of the quarantine: labels and records of imports."
    )
    letters: int = Field(default=0, description="Dead letters.")
    unreadable_entries: list[int] = Field(
        default_factory=list,
        description="Records of imports in the quarantine that can't be read, hold the key "
        "somewhere in their text, and were left.",
    )
    unreadable_letters: list[int] = Field(
        default_factory=list, description="Dead letters of that kind."
    )
    versions: list[TrainedVersion] = Field(
        default_factory=list, description="Versions that were trained on rows that are gone now."
    )
    under_way: int = Field(
        default=0,
        description="Requests of all pipelines that were accepted and not stored yet: not seen.",
    )
    open_imports: list[str] = Field(
        default_factory=list, description="Keys of imports that had not ended."
    )

    @property
    def empty(self) -> bool:
        """Whether nothing was found."""
        counts = (self.rows, self.features, self.labels, self.corrections, self.letters)
        return not any((*counts, self.quarantined, self.refused))
