"""What a run of the retention removed, or would remove."""

from __future__ import annotations

from pydantic import Field

from mlplatform.contracts.frozen import Frozen, FrozenAnswer
from mlplatform.contracts.pipeline import PIPELINE_NAME
from mlplatform.contracts.retention_days import Kind


class RemoveRequest(Frozen):
    """Remove what is past its days, of one kind."""

    kind: Kind
    pipeline: str | None = Field(
        default=None,
        pattern=PIPELINE_NAME,
        description="Empty for requests, dead letters, the ledger and logs: those of all pipelines "
        "go together.",
    )
    dry_run: bool = Field(default=False, description="Only say what would be removed.")


class Removed(FrozenAnswer):
    """What was removed of one kind, or would be."""

    kind: Kind
    pipeline: str | None
    items: int = Field(default=0, description="Records: requests, labels, entries, runs, files.")
    rows: int = Field(default=0, description="Of requests: the rows in them.")
    size: int = Field(default=0, description="Bytes that they take, without indexes.")
    by_pipeline: dict[str, int] = Field(
        default_factory=dict, description="Records of each pipeline, where all go together."
    )
    names: list[str] = Field(
        default_factory=list, description="Tables, partitions and versions that went as a whole."
    )
    kept: dict[str, int] = Field(
        default_factory=dict, description="What is past its days and stays: reason -> records."
    )
    held: str = Field(default="", description="Why nothing was removed; empty: no hold stands.")
    more: bool = Field(default=False, description="There is more: call again.")

    def plus(self, other: Removed) -> Removed:
        """This and what the next call removed."""
        names = self.by_pipeline.keys() | other.by_pipeline.keys()
        each = {
            name: self.by_pipeline.get(name, 0) + other.by_pipeline.get(name, 0)
            for name in sorted(names)
        }
        return other.model_copy(
            update={
                "items": self.items + other.items,
                "rows": self.rows + other.rows,
                "size": self.size + other.size,
                "names": [*self.names, *other.names],
                "by_pipeline": each,
            }
        )
