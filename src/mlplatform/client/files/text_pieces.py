"""Pieces of CSV and NDJSON: cut between records, every byte as it is in the file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import BinaryIO

Lines = list[str]


def ndjson_pieces(lines: BinaryIO, most: int) -> Iterator[bytes]:
    """Whole lines, `most` bytes or a little more at once."""
    return iter(lambda: b"".join(lines.readlines(most)), b"")


def csv_pieces(body: BinaryIO, most: int) -> Iterator[bytes]:
    """Pieces of more than `most` bytes that begin with the header.

    Read as CSV, since a quoted cell may hold line breaks, and in the server's way.
    """
    # Surrogates stand for bytes that are not UTF-8: the server judges them, not we.
    text = io.TextIOWrapper(body, encoding="utf-8-sig", errors="surrogateescape", newline="")
    try:
        yield from _cut(text, most)
    finally:
        text.detach()  # else the wrapper would close what is its owner's


def _cut(text: Iterable[str], most: int) -> Iterator[bytes]:
    lines: Lines = []
    reader = csv.reader(_remembered(text, lines), strict=True)
    if not _next_record(reader):
        return
    header = "".join(lines)
    header += "" if header.endswith(("\n", "\r")) else "\n"
    lines.clear()
    size = measured = 0
    while _next_record(reader):
        size += sum(map(len, lines[measured:]))
        measured = len(lines)
        if size > most:
            yield _encoded(header, lines)
            lines.clear()
            size = measured = 0
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
