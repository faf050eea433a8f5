"""One session on a standby that answers in Arrow (ADBC): a read-only snapshot, for one dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from adbc_driver_manager import Error as AdbcError
from adbc_driver_postgresql import StatementOptions, dbapi

from mlplatform.database import pools
from mlplatform.errors import Unavailable

BATCH_BYTES = 4 * 1024 * 1024
"""Bytes of a record batch, about. Smaller ones cost more calls per row, larger ones memory on both
ends of the stream; measured flat from 1 to 16 MiB."""
# SQLSTATE classes: connection, transaction state, conflict, resources, operator, system.
_PASSING = ("08", "25", "40", "53", "57", "58")
_MISSING_TABLE = "42P01"  # another standby, which has not replayed its creation yet


class ArrowSession:
    """Opens at once; close it. All statements see one snapshot. Blocking; one thread at a time.

    Raises Unavailable when the standby is away, conflicts with its replay, or gives up: then the
    whole dataset has to be read again.
    """

    def __init__(self, conninfo: str, *, name: str) -> None:
        self._name = name
        with self._translated():
            self._connection = dbapi.connect(conninfo, autocommit=True)
            self._run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def row(self, statement: str) -> Sequence[Any] | None:
        """The first row of a small result."""
        with self._translated(), self._connection.cursor() as cursor:
            cursor.execute(statement.rstrip(";"))
            row: Sequence[Any] | None = cursor.fetchone()
            return row

    def stream(self, statement: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """Schema and batches of a large result as the server sends them, without empty batches."""
        with self._translated():
            cursor = self._connection.cursor()
            cursor.adbc_statement.set_options(
                **{StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(BATCH_BYTES)}
            )
            cursor.execute(statement)
            reader = cursor.fetch_record_batch()
        # Without the driver's notes.
        schema = pa.schema([pa.field(field.name, field.type) for field in reader.schema])
        return schema, self._batches(cursor, reader, schema)

    def close(self) -> None:
        """End the session, in the middle of a result if need be."""
        self._connection.close()

    def _batches(self, cursor: Any, reader: Any, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        with cursor:
            while True:
                with self._translated():
                    batch = next(reader, None)
                if batch is None:
                    return
                if batch.num_rows:
                    yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)

    def _run(self, statement: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (AdbcError, pa.ArrowException, OSError) as error:
            state = getattr(error, "sqlstate", None)
            if state == _MISSING_TABLE:
                raise Unavailable(
                    f"standby {self._name}: the features are not there yet", retry_after_s=2.0
                ) from error
            if state is None or state[:2] in _PASSING:
                raise pools.away(self._name, error) from error
            raise
