"""Datasets at the client's end: the whole of it, proven by its receipt, or an error.

An Arrow stream that is cut between two batches looks complete. So rows and hash are computed here
again and compared with the receipt, which is fetched separately and exists only for complete
streams.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pyarrow as pa

from mlplatform.client.dataapi import DataApi
from mlplatform.client.files import extras
from mlplatform.contracts.content_hash import ContentHash
from mlplatform.contracts.dataset import DatasetQuery, Receipt
from mlplatform.errors import DatasetIncomplete, Unavailable, UnknownName
from mlplatform.retry import retry

if TYPE_CHECKING:
    import pandas as pd

ARROW = "application/vnd.apache.arrow.stream"
FIRST_BYTE_S = 300.0
"""How long the standby may sort before the first row comes.

A data API that vanishes without a word is noticed as late as that.
"""
_LEAST_PAUSE_S = 0.05  # a stream that broke off may be read again at once
PIECE = 1024 * 1024
"""Bytes taken at once: larger than a socket's buffer, so that each call brings all there is."""
_TOGETHER = 64 * 1024 * 1024
"""Bytes of batches that become columns: what is copied is held twice for that long."""


@dataclass(frozen=True)
class Dataset:
    """A dataset with its proof."""

    table: pa.Table
    receipt: Receipt

    def __len__(self) -> int:
        rows: int = self.table.num_rows
        return rows

    def to_arrow(self) -> pa.Table:
        """The rows as an Arrow table."""
        return self.table

    def to_pandas(self) -> pd.DataFrame:
        """The rows as a frame of pandas. Raises SettingsError when it is not installed."""
        extras.frames("pandas")
        frame: pd.DataFrame = self.table.to_pandas()
        return frame

    def to_polars(self) -> Any:
        """The rows as a frame of polars. Raises SettingsError when it is not installed."""
        return extras.frames("polars").from_arrow(self.table)


def download(api: DataApi, name: str, query: DatasetQuery, *, deadline_s: float = 120.0) -> Dataset:
    """The dataset `name`. Blocks.

    While the data API or its standby is away or lags, and after a stream that broke off, the whole
    is read again until `deadline_s` seconds have passed; then the last error is raised.
    DatasetIncomplete for a dataset that differs from its receipt is raised at once: another try
    would hide it.
    """
    try:
        return retry(
            lambda: read_dataset(api, name, query), seconds=deadline_s, least_s=_LEAST_PAUSE_S
        )
    except _BrokenOff as error:
        raise error.incomplete() from error.__cause__


class _BrokenOff(Unavailable):
    """The stream has no end; another try may bring it."""

    def incomplete(self) -> DatasetIncomplete:
        return DatasetIncomplete(self.message)


def read_dataset(api: DataApi, name: str, query: DatasetQuery) -> Dataset:
    """One try.

    Raises Unavailable also for a stream that broke off: what came of it is thrown away.
    """
    try:
        with api.stream_dataset(name, query, media=ARROW, timeout_s=FIRST_BYTE_S) as answer:
            table, proof = read_stream(answer.iter_raw(PIECE))
            receipt_id = answer.headers["X-Receipt-Id"]
    except (httpx.HTTPError, pa.ArrowInvalid, OSError) as error:
        raise _BrokenOff(f"dataset '{name}' broke off: {error}") from error
    return Dataset(table, _proven(api, name, query, receipt_id, proof))


def read_stream(pieces: Iterator[bytes]) -> tuple[pa.Table, ContentHash]:
    """Every batch of an Arrow stream, hashed.

    The pieces are read to their end, so that an end without the last byte is an error.
    """
    source = _Source(pieces)
    proof, tables, batches, size = ContentHash(), list[pa.Table](), list[pa.RecordBatch](), 0
    with pa.ipc.open_stream(source) as stream:
        for batch in stream:
            proof.update(batch)
            batches.append(batch)
            size += batch.nbytes
            if size > _TOGETHER:
                tables.append(_by_columns(batches, stream.schema))
                batches, size = [], 0
        tables.append(_by_columns(batches, stream.schema))
    source.drain()
    return pa.concat_tables(tables), proof


def _by_columns(batches: list[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    """The same rows with memory of its own for each column, so that a reader can drop columns.

    The columns of a batch lie in one piece of memory.
    """
    return pa.Table.from_batches(batches, schema).combine_chunks()


def _proven(
    api: DataApi, name: str, query: DatasetQuery, receipt_id: str, proof: ContentHash
) -> Receipt:
    try:
        receipt = api.receipt(receipt_id).plain()
    except UnknownName as error:
        raise _BrokenOff(f"dataset '{name}' has no receipt, so it did not end well") from error
    if (name, proof.rows, proof.hexdigest()) != (receipt.dataset, receipt.rows, receipt.sha256):
        raise DatasetIncomplete(
            f"dataset '{name}' is not what receipt {receipt_id} says: "
            f"{proof.rows} rows came, it names {receipt.rows}"
        )
    # A query may leave mark and digest open; the receipt names those that were taken.
    left_open = receipt.query.model_copy(
        update={"as_of": query.as_of, "digest": query.digest, "marks": query.marks}
    )
    same = query.as_of in (None, receipt.as_of) and query.digest in (None, receipt.query.digest)
    if query != left_open or not same:
        raise DatasetIncomplete(f"receipt {receipt_id} is of another query than was sent")
    return receipt


class _Source:
    """The body of an answer as the file that Arrow reads from."""

    closed = False

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = memoryview(b"")

    def read(self, size: int = -1) -> bytes:
        """`size` bytes, fewer only at the end."""
        if 0 <= size <= len(self._left):
            taken, self._left = self._left[:size], self._left[size:]
            return bytes(taken)
        parts, missing = [self._left], size - len(self._left)
        self._left = memoryview(b"")
        while size < 0 or missing > 0:
            piece = next(self._pieces, None)
            if piece is None:
                break
            parts.append(memoryview(piece) if size < 0 else memoryview(piece)[:missing])
            self._left = memoryview(b"") if size < 0 else memoryview(piece)[missing:]
            missing -= len(piece)
        return b"".join(parts)

    def drain(self) -> None:
        """Read what is left and drop it."""
        for _ in self._pieces:
            pass

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        """Called by Arrow; the connection is closed by its owner."""
