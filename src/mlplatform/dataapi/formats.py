"""Datasets on the wire: an Arrow IPC stream with zstd buffers, CSV, or NDJSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, Protocol

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from mlplatform.errors import InvalidInput, UnsupportedMedia

Format = Literal["arrow", "csv", "ndjson"]
Safe = Literal["spreadsheet"]
MEDIA: dict[Format, str] = {
    "arrow": "application/vnd.apache.arrow.stream",
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
}
_ANY: dict[str, Format] = {"*/*": "arrow", "application/*": "arrow", "text/*": "csv"}
# Begins as a formula: OWASP's list for CSV injection, also behind blanks, which some programs skip.
# A text that begins with ' gets another one, so that dropping the first ' always undoes it.
_FORMULA = r"\A(\s*[=+\-@＝＋－＠]|['\t\r\n])"
ZSTD = pa.ipc.IpcWriteOptions(compression="zstd")
_encoder = msgspec.json.Encoder()


def accepted(accept: str | None, safe: Safe | None = None) -> Format:
    """The best format of an Accept header; Arrow when it leaves the choice.

    Raises UnsupportedMedia, and InvalidInput when `safe` is asked of a format that has none.
    """
    kind = _best(accept)
    if safe is not None and kind != "csv":
        raise InvalidInput(
            f"{safe} is for CSV, and this would be {MEDIA[kind]}",
            field="safe",
            fix=f"send 'Accept: {MEDIA['csv']}', or leave safe out",
        )
    return kind


def _best(accept: str | None) -> Format:
    by_media: dict[str, Format] = {media: name for name, media in MEDIA.items()} | _ANY
    ranges = sorted(_ranges(accept or "*/*"), key=lambda choice: -choice[1])
    for media, quality in ranges:
        if quality > 0 and media in by_media:
            return by_media[media]
    raise UnsupportedMedia(
        f"'{accept}' is not supported",
        field="accept",
        fix=f"ask for one of {', '.join(MEDIA.values())}",
    )


class Encoder(Protocol):
    """Batches in, pieces of bytes out."""

    def batch(self, batch: pa.RecordBatch) -> bytes:
        """The bytes of one batch, with whatever stands before the first."""
        ...

    def end(self) -> bytes:
        """What stands behind the last batch; for an empty dataset all of it."""
        ...


def encoder(kind: Format, schema: pa.Schema, safe: Safe | None = None) -> Encoder:
    """A fresh encoder. `safe` is for CSV only."""
    if safe is not None:
        return SpreadsheetEncoder(schema)
    encoders: dict[Format, Callable[[pa.Schema], Encoder]] = {
        "arrow": ArrowEncoder,
        "csv": CsvEncoder,
        "ndjson": NdjsonEncoder,
    }
    return encoders[kind](schema)


class ArrowEncoder:
    """Keeps types, is the fastest, and can be checked against the receipt."""

    def __init__(self, schema: pa.Schema) -> None:
        self._written: list[bytes] = []
        self._writer = pa.ipc.new_stream(
            pa.PythonFile(_Taker(self._written), mode="w"), schema, options=ZSTD
        )

    def batch(self, batch: pa.RecordBatch) -> bytes:
        """The batch's message, behind the schema's on the first call."""
        self._writer.write_batch(batch)
        return self._taken()

    def end(self) -> bytes:
        """The end-of-stream mark."""
        self._writer.close()
        return self._taken()

    def _taken(self) -> bytes:
        data = b"".join(self._written)
        self._written.clear()
        return data


class _Taker:
    """A file as Arrow's writer wants it, that puts what is written into a list."""

    closed = False

    def __init__(self, into: list[bytes]) -> None:
        self._into = into

    def write(self, data: Any) -> int:
        self._into.append(bytes(data))
        return len(data)


class CsvEncoder:
    """A header line, then a line per row; null is an empty field."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._header = True

    def batch(self, batch: pa.RecordBatch) -> bytes:
        """Lines of the batch."""
        sink = pa.BufferOutputStream()
        csv.write_csv(batch, sink, csv.WriteOptions(include_header=self._header))
        self._header = False
        return bytes(sink.getvalue())

    def end(self) -> bytes:
        """Nothing, or the header of an empty dataset."""
        return (
            self.batch(pa.RecordBatch.from_pylist([], schema=self._schema)) if self._header else b""
        )


class SpreadsheetEncoder(CsvEncoder):
    """CSV in which no text runs as a formula: such texts, and such names, begin with a '."""

    def batch(self, batch: pa.RecordBatch) -> bytes:
        """Lines of the batch."""
        columns = [_inert(column) if _is_text(column.type) else column for column in batch.columns]
        names = _inert(pa.array(batch.schema.names, pa.string())).to_pylist()
        return super().batch(pa.RecordBatch.from_arrays(columns, names=names))


class NdjsonEncoder:
    """A JSON object per row; times are ISO 8601, NaN is null."""

    def __init__(self, schema: pa.Schema) -> None:
        self._names = schema.names

    def batch(self, batch: pa.RecordBatch) -> bytes:
        """Lines of the batch."""
        return _encoder.encode_lines(batch.to_pylist())

    def end(self) -> bytes:
        """Nothing."""
        return b""


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _inert(texts: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(texts, pattern=_FORMULA, replacement=r"'\1")


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    for part in accept.split(","):
        media, *parameters = (piece.strip() for piece in part.lower().split(";"))
        quality = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
        try:
            yield media, float(quality)
        except ValueError:
            yield media, 0.0
