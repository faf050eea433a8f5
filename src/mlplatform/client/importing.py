"""Send files of history rows to the data API, in pieces that it takes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlplatform.client.dataapi import DataApi
from mlplatform.client.files.inputs import InputFile
from mlplatform.client.files.pieces import ARROW, Pieces, arrow_pieces, open_pieces
from mlplatform.contracts.frozen import Frozen
from mlplatform.contracts.imports import ImportRefusal, ImportResult
from mlplatform.errors import InvalidInput

if TYPE_CHECKING:
    import pyarrow as pa

MOST_REASONS = 10
"""Reasons that are returned: enough to see what is wrong; the quarantine has all of them."""


@dataclass(frozen=True)
class SentRows:
    """How many rows of a file are with the data API, and how many it has, where that is known."""

    file: str
    rows: int
    of: int | None


OnSent = Callable[[SentRows], None]


class RefusedRecord(ImportRefusal):
    """Why a record went to quarantine, with its file; `record` is its place there (1, 2, …)."""

    file: str


class ImportedFile(Frozen):
    """What became of the rows of a file, or of several."""

    accepted: int
    quarantined: int
    first_reasons: list[RefusedRecord]

    def plus(self, piece: ImportResult, place: SentRows) -> ImportedFile:
        """With one more piece: its reasons count its records from 1, ours those of the file.

        `place`: what was sent of the file before this piece.
        """
        reasons = [
            RefusedRecord(
                file=place.file,
                record=place.rows + each.record,
                field=each.field,
                reason=each.reason,
            )
            for each in piece.first_reasons
        ]
        return ImportedFile(
            accepted=self.accepted + piece.accepted,
            quarantined=self.quarantined + piece.quarantined,
            first_reasons=[*self.first_reasons, *reasons][:MOST_REASONS],
        )


NOTHING = ImportedFile(accepted=0, quarantined=0, first_reasons=[])


def send_files(
    api: DataApi,
    pipeline: str,
    files: Sequence[InputFile],
    *,
    without: Sequence[str] = (),
    on_progress: OnSent,
) -> ImportedFile:
    """Import files as history of a pipeline, one after another.

    Each piece has a key made of its content and its place in the file, so what was sent in part can
    be sent again: nothing is stored twice. Raises InvalidInput for a file that is damaged, not of
    its format, or a copy of one before, and what the data API refuses. Pieces that were sent before
    that stay.
    """
    total, known = NOTHING, dict[str, str]()
    for file in files:
        with open_pieces(file, without=without) as pieces:
            total = send_pieces(
                api,
                pipeline,
                pieces,
                sent=SentRows(file.name, 0, pieces.rows),
                total=total,
                known=known,
                on_progress=on_progress,
            )
    return total


def send_batches(
    api: DataApi,
    pipeline: str,
    name: str,
    rows: tuple[pa.Schema, Iterator[pa.RecordBatch]],
    *,
    on_progress: OnSent,
) -> ImportedFile:
    """Import Arrow batches, which messages call `name`.

    They can be sent again as the files of `send_files`, if they come in the same order.
    """
    return send_pieces(
        api,
        pipeline,
        Pieces(ARROW, arrow_pieces(*rows)),
        sent=SentRows(name, 0, None),
        total=NOTHING,
        known={},
        on_progress=on_progress,
    )


def send_pieces(
    api: DataApi,
    pipeline: str,
    pieces: Pieces,
    *,
    sent: SentRows,
    total: ImportedFile,
    known: dict[str, str],
    on_progress: OnSent,
) -> ImportedFile:
    """Import these pieces; the result is `total` with them. See `send_files`.

    `known`: the keys of former pieces with their files; those of these pieces are added.
    """
    for number, body in enumerate(pieces.bodies):
        # The number too: two pieces of equal content are no repetition.
        key = hashlib.sha256(f"{pipeline}\0{number}\0".encode() + body).hexdigest()
        result = api.import_rows(pipeline, body, media=pieces.media, key=key)
        rows = result.accepted + result.quarantined
        # The data API took it for the former piece, sent again, and has stored nothing.
        if rows and known.setdefault(key, sent.file) != sent.file:
            raise InvalidInput(
                f"{sent.file} holds the same rows as {known[key]}, which are stored once",
                field="FILE",
                fix="leave one of them out; rows that are meant twice go into one file",
            )
        total = total.plus(result, sent)
        sent = replace(sent, rows=sent.rows + rows)
        on_progress(sent)
    return total


def send_rows(
    api: DataApi, pipeline: str, pieces: Pieces, *, name: str, on_progress: OnSent
) -> ImportedFile:
    """Import rows that are in no file; messages call them `name`. See `send_files`."""
    return send_pieces(
        api,
        pipeline,
        pieces,
        sent=SentRows(name, 0, pieces.rows),
        total=NOTHING,
        known={},
        on_progress=on_progress,
    )
