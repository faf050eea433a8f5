"""Parquet, read page by page: neither the file nor a row group has to fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlplatform.client.files import extras
from mlplatform.errors import InvalidInput

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 8_192
_PAGE_BUFFER = 256 * 1024


class ParquetRows:
    """Schema, number of rows and batches of a Parquet file. Close it."""

    def __init__(self, path: Path, name: str) -> None:
        """Raises InvalidInput for what is not Parquet, or has lost its end."""
        self._pa = extras.arrow(name)
        self._name = name
        try:
            # Without pre_buffer, which would hold the bytes of whole row groups.
            self._file: Any = extras.parquet(name).ParquetFile(
                path,
                pre_buffer=False,
                buffer_size=_PAGE_BUFFER,
                page_checksum_verification=True,
            )
        except (self._pa.ArrowException, OSError) as error:
            raise InvalidInput(
                f"{name} is not a whole Parquet file: {error}", field="FILE"
            ) from error
        self.schema: pa.Schema = self._file.schema_arrow
        self.rows: int = self._file.metadata.num_rows

    def batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """All rows, by their row groups. Raises InvalidInput that names the damaged one."""
        before = 0
        for group in range(self._file.num_row_groups):
            rows = self._file.metadata.row_group(group).num_rows
            try:
                yield from self._file.iter_batches(BATCH_ROWS, row_groups=[group], columns=columns)
            except (self._pa.ArrowException, OSError) as error:
                raise InvalidInput(
                    f"{self._name} is damaged in row group {group}, rows {before + 1:,} to "
                    f"{before + rows:,}: {error}",
                    field="FILE",
                    fix="nothing of that row group's rest was sent; get the file again",
                ) from error
            before += rows

    def close(self) -> None:
        """Close the file."""
        self._file.close()
