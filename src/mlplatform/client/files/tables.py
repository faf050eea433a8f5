"""A file of any format as Arrow batches: typed columns, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlplatform.client.files import columns
from mlplatform.client.files.arrow_ipc import ArrowRows
from mlplatform.client.files.inputs import InputFile, input_file, plain_path, plain_stream
from mlplatform.client.files.parquet import ParquetRows
from mlplatform.client.files.text_table import TextRows

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class FileTable:
    """An open file: its columns, the batches that are still to come, and how many rows there are.

    Columns have types of single values: dictionaries and views are resolved. `batches` can be read
    once, and raises InvalidInput where the file is damaged. `rows` is None where only reading all
    of it would tell.
    """

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    rows: int | None


@contextmanager
def open_table(file: InputFile | Path, *, without: Sequence[str] = ()) -> Iterator[FileTable]:
    """The table in a file, `without` some of its columns. To be used as a context manager.

    CSV and NDJSON get the types of their first 4 MiB; a later value of another type is refused.
    Raises InvalidInput for what is not such a file, SettingsError for one that can't be read, or
    not with what is installed.
    """
    found = file if isinstance(file, InputFile) else input_file(file)
    with ExitStack() as stack:
        rows = stack.enter_context(closing(_opened(found, stack)))
        kept = columns.kept(rows.schema.names, without, found.name)
        yield FileTable(
            columns.plain_schema(rows.schema, kept),
            (columns.plain(batch, kept) for batch in rows.batches(kept)),
            rows.rows,
        )


def _opened(file: InputFile, stack: ExitStack) -> ParquetRows | ArrowRows | TextRows:
    if file.kind.format in ("csv", "ndjson"):
        stream = stack.enter_context(plain_stream(file))
        return TextRows(stream, file.kind.format, file.name)
    path = stack.enter_context(plain_path(file))
    if file.kind.format == "parquet":
        return ParquetRows(path, file.name)
    return ArrowRows(path, file.name)
