"""A request as a row of `raw.requests`, and many of them as PostgreSQL's binary COPY takes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from struct import Struct
from uuid import UUID

import msgspec

from mlplatform.database.binary_rows import END, HEAD

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_POSTGRES_EPOCH_US = 946_684_800_000_000  # 2000-01-01, from which the server counts
_COLUMNS = 20
# request_id, outbox_id, partition, log_offset, sequence, received_at, rows; each behind its length.
_FIXED = Struct(">hi16si16siiiqiqiqii")
_LENGTH = Struct(">i")
_NULL = _LENGTH.pack(-1)
_ROWS_AT_ONCE = 500  # of one write: hundreds of kilobytes


class RequestRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One decoded record, every value such that PostgreSQL takes it.

    A dataclass would take five times as long to make. `received_us` is in microseconds since the
    epoch, `inputs` and `outputs` are JSON text. The rest proves the record (`contracts.chain`), if
    it was chained.
    """

    partition: int
    offset: int
    request_id: UUID
    pipeline: str
    outbox_id: UUID
    sequence: int
    version: str
    caller: str
    client_id: str | None
    received_us: int
    rows: int
    inputs: str
    outputs: str
    form: str | None = None
    salt: bytes | None = None
    digest: bytes | None = None
    chain: bytes | None = None
    begins: str | None = None

    @property
    def received_at(self) -> datetime:
        """When serving took it."""
        return time_of(self.received_us)

    @property
    def fingerprint(self) -> str:
        """What tells this record from every other one."""
        return str(self.request_id)


def time_of(microseconds: int) -> datetime:
    """The time so many microseconds after the epoch. Raises OverflowError."""
    return _EPOCH + timedelta(microseconds=microseconds)


def packed(rows: Sequence[RequestRow], topic: str, shifts: Mapping[int, int]) -> Iterator[bytes]:
    """Rows of a topic as the statements `copy_…` take them; `shifts` is what offsets are raised by.

    The columns of one width come first: one call packs them all. A text of the driver's would be
    made value by value here, and read value by value by the server.
    """
    before = _field(b"serving") + _field(topic.encode())
    yield HEAD
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        parts: list[bytes] = []
        for row in rows[first : first + _ROWS_AT_ONCE]:
            parts += (
                _FIXED.pack(
                    _COLUMNS, 16, row.request_id.bytes, 16, row.outbox_id.bytes, 4, row.partition,
                    8, row.offset + shifts[row.partition], 8, row.sequence,
                    8, row.received_us - _POSTGRES_EPOCH_US, 4, row.rows,
                ),
                before,
                _names(row.pipeline, row.version, row.caller),
                _text(row.client_id), _text(row.inputs), _text(row.outputs), _text(row.form),
                _field(row.salt), _field(row.digest), _field(row.chain), _text(row.begins),
            )  # fmt: skip
        yield b"".join(parts)
    yield END


def _field(value: bytes | None) -> bytes:
    return _NULL if value is None else _LENGTH.pack(len(value)) + value


def _text(value: str | None) -> bytes:
    return _NULL if value is None else _field(value.encode())


@lru_cache(maxsize=1_000)
def _names(pipeline: str, version: str, caller: str) -> bytes:
    """Of these a queue holds few."""
    return _text(pipeline) + _text(version) + _text(caller)
