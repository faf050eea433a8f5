"""Arrow IPC files and streams, mapped into memory: the system keeps only the pages in use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlplatform.client.files import extras
from mlplatform.errors import InvalidInput

if TYPE_CHECKING:
    import pyarrow as pa

_FILE = b"ARROW1"
_FEATHER_1 = b"FEA1"
_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"


class ArrowRows:
    """Schema and batches of an Arrow file (Feather) or stream. Close it."""

    rows = None  # a stream does not say, and a file only batch by batch

    def __init__(self, path: Path, name: str) -> None:
        """Raises InvalidInput for what is neither."""
        self._pa = extras.arrow(name)
        self._name = name
        if path.stat().st_size == 0:
            raise InvalidInput(f"{name} is empty", field="FILE")
        self._map: Any = self._pa.memory_map(str(path))
        start = self._map.read(len(_FILE))
        self._map.seek(0)
        if start.startswith(_FEATHER_1):
            raise InvalidInput(
                f"{name} is of Feather's first version, which is no longer read",
                field="FILE",
                fix="write it again with a current library",
            )
        self._is_file = start == _FILE
        opened = self._pa.ipc.open_file if self._is_file else self._pa.ipc.open_stream
        try:
            self._reader: Any = opened(self._map)
        except (self._pa.ArrowException, OSError) as error:
            raise InvalidInput(
                f"{name} is not a whole Arrow file or stream: {error}", field="FILE"
            ) from error
        self.schema: pa.Schema = self._reader.schema

    def batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:  # noqa: ARG002
        """All rows, with all columns. Raises InvalidInput that names the damaged batch."""
        rows = number = 0
        try:
            for number, batch in enumerate(self._batches(), 1):  # noqa: B007
                batch.validate(full=True)
                yield batch
                rows += batch.num_rows
            if not self._is_file:
                self._prove_end()
        except (self._pa.ArrowException, OSError, EOFError) as error:
            raise InvalidInput(
                f"{self._name} is damaged after batch {number}, behind row {rows:,}: {error}",
                field="FILE",
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._map.close()

    def _batches(self) -> Iterator[pa.RecordBatch]:
        if not self._is_file:
            return iter(self._reader)
        return (self._reader.get_batch(each) for each in range(self._reader.num_record_batches))

    def _prove_end(self) -> None:
        """A stream that was cut between two batches would read as a whole one."""
        end = self._map.tell()
        self._map.seek(max(0, end - len(_END)))
        if self._map.read(len(_END)) != _END:
            raise EOFError("it lacks its end")
        if end != self._map.size():
            raise EOFError("something follows its end")
