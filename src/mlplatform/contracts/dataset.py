"""Datasets: what may be asked for, and the receipt that proves what was given.

Every pipeline has four: `<pipeline>.training` (features with labels), `<pipeline>.features`,
`<pipeline>.labels`, `<pipeline>.requests` (raw). Rows come in the order of (request_id, row).
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from mlplatform.contracts.columns import DType
from mlplatform.contracts.frozen import Frozen, FrozenAnswer

DatasetKind = Literal["training", "features", "labels", "requests"]


class DatasetColumn(Frozen):
    """One column of a dataset contract."""

    name: str
    dtype: DType | Literal["timestamp", "uuid", "json"]
    nullable: bool = True
    description: str = ""


class DatasetDescription(Frozen):
    """The contract of one dataset."""

    name: str
    pipeline: str
    kind: DatasetKind
    digest: str | None = Field(
        default=None, description="Features digest; empty for labels and requests."
    )
    columns: tuple[DatasetColumn, ...]


class DatasetQuery(Frozen):
    """Which rows and columns of a dataset."""

    columns: tuple[str, ...] | None = Field(
        default=None, description="Columns in this order; empty: all of the contract."
    )
    since: datetime | None = Field(default=None, description="First event time, inclusive.")
    until: datetime | None = Field(default=None, description="Last event time, exclusive.")
    as_of: int | None = Field(
        default=None,
        description="Mark (microseconds): the rows as they stood then; "
        "empty: the newest closed mark.",
    )
    marks: dict[str, int] | None = Field(
        default=None,
        description="Beside as_of, for raw requests on several raw servers: the mark of each "
        "further one. A server that is not named counts as empty.",
    )
    limit: int | None = Field(
        default=None,
        ge=1,
        description="Most rows; the latest by (event_time, request_id, row) are kept.",
    )
    digest: str | None = Field(
        default=None, description="Features digest; empty: the pipeline's current one."
    )


class ServerProof(Frozen):
    """One of several raw servers that a dataset was read from."""

    shard: str
    server: str = Field(description="Address of the standby that answered.")
    lsn: str
    timeline: int
    lag_bytes: int
    as_of: int = Field(description="Mark that its rows stand for.")


class Receipt(Frozen):
    """Proof of a read. Two reads with the same as-of mark and query give the same rows and hash."""

    id: str
    dataset: str
    query: DatasetQuery
    server_role: Literal["standby"]
    server: str = Field(description="Address of the standby that answered.")
    lsn: str = Field(description="Replay position of the standby when the read began.")
    timeline: int
    lag_bytes: int
    as_of: int = Field(
        description="Mark that the rows stand for; closed, so nothing can be added below it."
    )
    servers: tuple[ServerProof, ...] = Field(
        default=(), description="Every raw server that was read, where there are several."
    )
    rows: int
    sha256: str = Field(
        description="Content hash, independent of batch borders "
        "(mlplatform.contracts.content_hash)."
    )
    read_at: datetime
    caller: str
    run: str = Field(default="", description="The training run that it was given to; empty: none.")


class ForgottenRead(FrozenAnswer):
    """Rows of a version's dataset that were forgotten after it was read."""

    entry: int = Field(description="Number of the ledger's entry.")
    rows: int


class KnownReceipt(Receipt):
    """A receipt, and why its rows can't be read again, where that is so."""

    model_config = FrozenAnswer.model_config
    forgotten: tuple[ForgottenRead, ...] = Field(
        default=(),
        description="Rows that were forgotten since, where a version was trained on them: another "
        "read with the same mark and query has fewer rows and another hash.",
    )

    def plain(self) -> Receipt:
        """The receipt as it was written."""
        return Receipt.model_validate(self.model_dump(exclude={"forgotten"}))
