"""CSV with a header line, in UTF-8. Values are converted by the declared types of the pipeline.

A name of the header that is written in another way than the declared one (`Mean Radius` for
`mean_radius`) means that one: see `as_declared`. So it is in the other formats.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import BinaryIO

from mlplatform.contracts.naming import as_declared, fields
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.dataapi.rows.record import Record, cell_types, check_header, row
from mlplatform.errors import InvalidInput
from mlplatform.features.cells import CellType, convert


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

    def __iter__(self) -> Iterator[str]:
        for line in self._text:
            self._since.append(line)
            yield line

    def taken(self) -> str:
        text, self._since = "".join(self._since), []
        return text

    def release(self) -> None:
        """Give the body back without closing it."""
        self._text.detach()


def read(body: BinaryIO, definition: PipelineDefinition) -> Iterator[Record]:
    """The records of a body. Raises InvalidInput when its header can't be used."""
    lines = _RecentLines(body)
    try:
        yield from _records(lines, definition)
    finally:
        lines.release()


def _records(lines: _RecentLines, definition: PipelineDefinition) -> Iterator[Record]:
    reader = csv.reader(iter(lines), strict=True)
    header = _header(reader, definition)
    types = cell_types(definition)
    kinds = [types.get(name, "string") for name in header]
    lines.taken()
    number = 0
    while True:
        line = reader.line_num + 1
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
            record = _record(number, header, kinds, fields, text)
            yield replace(record, line=line) if record.reason else record


def _record(
    number: int, header: list[str], kinds: Sequence[CellType], fields: list[str], text: str
) -> Record:
    if len(fields) != len(header):
        return Record(
            number,
            reason=f"it has {len(fields)} fields, the header has {len(header)}",
            text=_readable(text),
        )
    if not _is_utf8(text):
        return Record(number, reason="not UTF-8", text=_readable(text))
    values = {
        name: convert(field, kind) for name, kind, field in zip(header, kinds, fields, strict=True)
    }
    return row(number, values, _readable(text))


def _header(reader: Iterator[list[str]], definition: PipelineDefinition) -> list[str]:
    try:
        header = [name.strip() for name in next(reader)]
    except (StopIteration, csv.Error) as error:
        raise InvalidInput(
            f"line 1: no header can be read: {error}".rstrip(": "), field="body"
        ) from error
    if not _is_utf8("".join(header)):
        raise InvalidInput(
            "line 1: the header is not UTF-8", field="body", fix="save the file as UTF-8"
        )
    header = as_declared(header, fields(definition))
    check_header(header, definition)
    return header


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _readable(text: str) -> str:
    return (
        text.rstrip("\r\n").encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    )
