"""Send a file of history rows to the data API, in pieces that it takes."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mlplatform.client.dataapi import DataApi
from mlplatform.errors import InvalidInput, SettingsError

PIECE_BYTES = 8 * 1024 * 1024
"""Far below the server's limit, and a word to the person who waits every second or so."""
MEDIA = {
    ".csv": "text/csv",
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
    ".arrow": "application/vnd.apache.arrow.stream",
}
Told = Callable[[int], None]


def send_file(client: DataApi, pipeline: str, file: Path, *, told: Told) -> dict[str, Any]:
    """Import a file: {"accepted", "quarantined", "first_reasons"} of all its pieces. `told` hears how many rows are through.

    Each piece has a key made of its content, so a file that was sent in part can be sent again:
    nothing is stored twice. Raises InvalidInput for an unknown ending, and what the data API
    refuses.
    """
    media = MEDIA.get(file.suffix)
    if media is None:
        raise InvalidInput(
            f"can't tell the format of {file.name}",
            field="FILE",
            fix=f"name it with one of {', '.join(MEDIA)}",
        )
    total: dict[str, Any] = {"accepted": 0, "quarantined": 0, "first_reasons": []}
    for number, piece in enumerate(_pieces(file)):
        key = hashlib.sha256(f"{pipeline}\0{number}\0".encode() + piece).hexdigest()
        headers = {"Content-Type": media, "Idempotency-Key": key}
        answer = client.call(
            "POST", f"/v1/datasets/{pipeline}.requests/rows", content=piece, headers=headers
        )
        total["accepted"] += answer["accepted"]
        total["quarantined"] += answer["quarantined"]
        total["first_reasons"] = (total["first_reasons"] + list(answer["first_reasons"]))[:10]
        told(total["accepted"] + total["quarantined"])
    return total


def _pieces(file: Path) -> Iterator[bytes]:
    try:
        if file.suffix == ".arrow":
            yield file.read_bytes()  # a stream can't be cut without reading it
        elif file.suffix == ".csv":
            with file.open(newline="") as text:
                yield from _csv_pieces(text)
        else:
            with file.open("rb") as lines:
                yield from iter(lambda: b"".join(lines.readlines(PIECE_BYTES)), b"")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"can't read {file}: {error}", field="FILE") from error


def _csv_pieces(text: io.TextIOBase) -> Iterator[bytes]:
    """Each piece begins with the header; read and written as CSV, since a quoted cell may hold line breaks."""
    reader = csv.reader(text)
    header = next(reader, None)
    if header is None:
        return
    out, writer = _begin(header)
    rows = 0
    for row in reader:
        writer.writerow(row)
        rows += 1
        if out.tell() > PIECE_BYTES:
            yield out.getvalue().encode()
            (out, writer), rows = _begin(header), 0
    if rows:
        yield out.getvalue().encode()


def _begin(header: list[str]) -> tuple[io.StringIO, Any]:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    return out, writer
