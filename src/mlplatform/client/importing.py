"""Send a file of history rows to the data API, in pieces that it takes."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from mlplatform.client.dataapi import DataApi
from mlplatform.contracts.frozen import Frozen
from mlplatform.contracts.imports import ImportRefusal, ImportResult
from mlplatform.errors import InvalidInput, SettingsError

PIECE_BYTES = 8 * 1024 * 1024
"""Far below the server's limit; whoever waits hears of the progress every second or so."""
MOST_REASONS = 10
"""Reasons that are returned: enough to see what is wrong; the quarantine has all of them."""
MEDIA = {
    ".csv": "text/csv",
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
    ".arrow": "application/vnd.apache.arrow.stream",  # the server tells a file from a stream
    ".feather": "application/vnd.apache.arrow.file",
}


class ImportedFile(Frozen):
    """What became of the rows of a file."""

    accepted: int
    quarantined: int
    first_reasons: list[ImportRefusal]

    def plus(self, piece: ImportResult) -> ImportedFile:
        """With one more piece: its reasons count its records from 1, ours those of the file."""
        before = self.accepted + self.quarantined
        reasons = [
            each.model_copy(update={"record": before + each.record}) for each in piece.first_reasons
        ]
        return ImportedFile(
            accepted=self.accepted + piece.accepted,
            quarantined=self.quarantined + piece.quarantined,
            first_reasons=[*self.first_reasons, *reasons][:MOST_REASONS],
        )


def send_file(
    api: DataApi, pipeline: str, file: Path, *, on_progress: Callable[[int], None]
) -> ImportedFile:
    """Import a file as history of a pipeline; `on_progress` gets the number of rows dealt with.

    Each piece has a key made of its content, so a file that was sent in part can be sent again:
    nothing is stored twice. Raises InvalidInput for an unknown ending, and what the data API
    refuses.
    """
    media, total = _media(file), ImportedFile(accepted=0, quarantined=0, first_reasons=[])
    for number, piece in enumerate(_pieces(file)):
        # The number too: two pieces of equal content are no repetition.
        key = hashlib.sha256(f"{pipeline}\0{number}\0".encode() + piece).hexdigest()
        total = total.plus(api.import_rows(pipeline, piece, media=media, key=key))
        on_progress(total.accepted + total.quarantined)
    return total


def _media(file: Path) -> str:
    media = MEDIA.get(file.suffix)
    if media is None:
        raise InvalidInput(
            f"the name of {file.name} does not say its format",
            field="FILE",
            fix=f"name it with one of {', '.join(MEDIA)}",
        )
    return media


def _pieces(file: Path) -> Iterator[bytes]:
    try:
        if file.suffix in (".arrow", ".feather"):
            yield file.read_bytes()  # it can't be cut without reading it
        elif file.suffix == ".csv":
            # Surrogates stand for bytes that are not UTF-8: the server judges them, not we.
            with file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
                yield from _csv_pieces(text)
        else:
            with file.open("rb") as lines:
                yield from iter(lambda: b"".join(lines.readlines(PIECE_BYTES)), b"")
    except OSError as error:
        raise SettingsError(f"can't read {file}: {error}", field="FILE") from error


def _csv_pieces(text: Iterable[str]) -> Iterator[bytes]:
    """Pieces that begin with the header, cut between records, every byte as it is in the file.

    Read as CSV, since a quoted cell may hold line breaks, and in the server's way.
    """
    lines: list[str] = []
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
        if size > PIECE_BYTES:
            yield _encoded(header, lines)
            lines.clear()
            size = measured = 0
    if lines:
        yield _encoded(header, lines)


def _remembered(text: Iterable[str], lines: list[str]) -> Iterator[str]:
    for line in text:
        lines.append(line)
        yield line


def _next_record(reader: Iterator[list[str]]) -> bool:
    """Go to the end of the next record. What is not CSV is a record too: the server refuses it."""
    try:
        return next(reader, None) is not None
    except csv.Error:
        return True


def _encoded(header: str, lines: list[str]) -> bytes:
    return (header + "".join(lines)).encode("utf-8", "surrogateescape")
