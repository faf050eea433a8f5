"""CSV with a header line, in UTF-8. Values are converted by the declared types of the pipeline.

A name of the header that is written in another way than the declared one (`Mean Radius` for
`mean_radius`) means that one: see `as_declared`. So it is in the other formats.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import BinaryIO

from mlplatform.contracts.naming import as_declared, fields
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.dataapi.rows.chunk import CHUNK, Chunk, Records, Rows
from mlplatform.dataapi.rows.csv_columns import Header, is_utf8, plain_columns
from mlplatform.dataapi.rows.record import Record, cell_types, check_header, row
from mlplatform.errors import InvalidInput
from mlplatform.features.cells import convert


class _RecentLines:
    """Lines of a body, remembering those since the last record.

    So a record that can't be read is kept as it was sent.
    """

    def __init__(self, body: BinaryIO) -> None:
        # Bytes that are not UTF-8 become lone surrogates, which are found again in the fields; an
        # error here would end the whole body.
        self._text = io.TextIOWrapper(
            body, encoding="utf-8-sig", errors="surrogateescape", newline=""
        )
        self._since: list[str] = []
        self._again: list[str] = []  # given back, the next one last
        self.number = 0  # lines that were given out

    def __iter__(self) -> Iterator[str]:
        while line := self._again.pop() if self._again else self._text.readline():
            self._since.append(line)
            self.number += 1
            yield line

    def taken(self) -> str:
        text, self._since = "".join(self._since), []
        return text

    def take(self, count: int) -> list[str]:
        """The next lines, at most so many."""
        again = [self._again.pop() for _ in range(min(count, len(self._again)))]
        lines = again + list(islice(self._text, count - len(again)))
        self.number += len(lines)
        return lines

    def give_back(self, lines: list[str]) -> None:
        """Let these lines, which were taken last, be the next ones."""
        self._again += reversed(lines)
        self.number -= len(lines)

    def release(self) -> None:
        """Give the body back without closing it."""
        self._text.detach()


def read(body: BinaryIO, definition: PipelineDefinition) -> Iterator[Record]:
    """The records of a body. Raises InvalidInput when its header can't be used."""
    lines = _RecentLines(body)
    try:
        yield from _records(lines, _header(lines, definition), 0)
    finally:
        lines.release()


def chunks(body: BinaryIO, definition: PipelineDefinition) -> Iterator[Chunk]:
    """The same records in chunks, as columns where all lines of a chunk are plain rows."""
    lines = _RecentLines(body)
    try:
        header = _header(lines, definition)
        number = 0
        while block := lines.take(CHUNK):
            columns = plain_columns(block, header)
            if columns is None:
                lines.give_back(block)
                records = list(islice(_records(lines, header, number), CHUNK))
                chunk: Chunk | None = Records(records) if records else None
            else:
                chunk = Rows(number + 1, columns) if columns else None
            if chunk is not None:
                number = chunk.last
                yield chunk
    finally:
        lines.release()


def _records(lines: _RecentLines, header: Header, number: int) -> Iterator[Record]:
    reader = csv.reader(iter(lines), strict=True)
    while True:
        line = lines.number + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:  # the reader begins anew with the next line
            number += 1
            text = _readable(lines.taken())
            yield Record(number, reason=f"not CSV: {error}", text=text, line=line)
            continue
        text = lines.taken()
        if fields:
            number += 1
            record = _record(number, header, fields, text)
            yield replace(record, line=line) if record.reason else record


def _record(number: int, header: Header, fields: list[str], text: str) -> Record:
    if len(fields) != len(header):
        return Record(
            number,
            reason=f"it has {len(fields)} fields, the header has {len(header)}",
            text=_readable(text),
        )
    if not is_utf8(text):
        return Record(number, reason="not UTF-8", text=_readable(text))
    values = {
        name: convert(field, kind)
        for (name, kind), field in zip(header.items(), fields, strict=True)
    }
    return row(number, values, _readable(text))


def _header(lines: _RecentLines, definition: PipelineDefinition) -> Header:
    try:
        header = [name.strip() for name in next(csv.reader(iter(lines), strict=True))]
    except (StopIteration, csv.Error) as error:
        raise InvalidInput(
            f"line 1: no header can be read: {error}".rstrip(": "), field="body"
        ) from error
    lines.taken()
    if not is_utf8("".join(header)):
        raise InvalidInput(
            "line 1: the header is not UTF-8", field="body", fix="save the file as UTF-8"
        )
    header = as_declared(header, fields(definition))
    check_header(header, definition)
    types = cell_types(definition)
    return {name: types.get(name, "string") for name in header}


def _readable(text: str) -> str:
    return (
        text.rstrip("\r\n").encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    )
