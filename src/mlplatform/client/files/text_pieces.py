"""Pieces of CSV and NDJSON: cut between records, every byte as it is in the file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import BinaryIO

Lines = list[str]
MOST_ROWS = 50_000
"""Rows of a piece: of short ones 8 MiB hold a million, which a busy server does not store before
the client has given up on its answer."""


def ndjson_pieces(lines: BinaryIO, most: int, *, rows: int = MOST_ROWS) -> Iterator[bytes]:
    """Whole lines, `most` bytes or a little more at once, and no more than `rows` lines."""
    size, held = 0, []
    for line in lines:
        held.append(line)
        size += len(line)
        if size >= most or len(held) >= rows:
            yield b"".join(held)
            size, held = 0, []
    if held:
        yield b"".join(held)


def csv_pieces(body: BinaryIO, most: int, *, rows: int = MOST_ROWS) -> Iterator[bytes]:
    """Pieces of more than `most` bytes, or of `rows` records, that begin with the header.

    Read as CSV, since a quoted cell may hold line breaks, and in the server's way.
    """
    # Surrogates stand for bytes that are not UTF-8: the server judges them, not we.
    text = io.TextIOWrapper(body, encoding="utf-8-sig", errors="surrogateescape", newline="")
    try:
        yield from _cut(text, most, rows)
    finally:
        text.detach()  # else the wrapper would close what is its owner's


def _cut(text: Iterable[str], most: int, rows: int) -> Iterator[bytes]:
    lines: Lines = []
    reader = csv.reader(_remembered(text, lines), strict=True)
    if not _next_record(reader):
        return
    header = "".join(lines)
    header += "" if header.endswith(("\n", "\r")) else "\n"
    lines.clear()
    size = measured = records = 0
    while _next_record(reader):
        size += sum(map(len, lines[measured:]))
        measured, records = len(lines), records + 1
        if size > most or records >= rows:
            yield _encoded(header, lines)
            lines.clear()
            size = measured = records = 0
    if lines:
        yield _encoded(header, lines)


def _remembered(text: Iterable[str], lines: Lines) -> Iterator[str]:
    for line in text:
        lines.append(line)
        yield line


def _next_record(reader: Iterator[list[str]]) -> bool:
    """Go to the end of the next record. What is not CSV is a record too: the server refuses it."""
    try:
        return next(reader, None) is not None
    except csv.Error:
        return True


def _encoded(header: str, lines: Lines) -> bytes:
    return (header + "".join(lines)).encode("utf-8", "surrogateescape")
