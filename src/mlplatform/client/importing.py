"""Send files of history rows to the data API, in pieces that it takes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from mlplatform.client.dataapi import DataApi
from mlplatform.client.files.inputs import InputFile
from mlplatform.client.files.pieces import Pieces, open_pieces
from mlplatform.contracts.frozen import Frozen
from mlplatform.contracts.imports import ImportRefusal, ImportResult

MOST_REASONS = 10
"""Reasons that are returned: enough to see what is wrong; the quarantine has all of them."""


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
    api: DataApi,
    pipeline: str,
    file: InputFile,
    *,
    without: Sequence[str] = (),
    on_progress: Callable[[int], None],
) -> ImportedFile:
    """Import a file as history of a pipeline; `on_progress` gets the number of rows dealt with.

    Each piece has a key made of its content, so a file that was sent in part can be sent again:
    nothing is stored twice. Raises InvalidInput for a file that is damaged or not of its format,
    and what the data API refuses. Pieces that were sent before that stay.
    """
    with open_pieces(file, without=without) as pieces:
        return send_pieces(api, pipeline, pieces, on_progress=on_progress)


def send_pieces(
    api: DataApi, pipeline: str, pieces: Pieces, *, on_progress: Callable[[int], None]
) -> ImportedFile:
    """Import these pieces. See `send_file`."""
    total = ImportedFile(accepted=0, quarantined=0, first_reasons=[])
    for number, body in enumerate(pieces.bodies):
        # The number too: two pieces of equal content are no repetition.
        key = hashlib.sha256(f"{pipeline}\0{number}\0".encode() + body).hexdigest()
        total = total.plus(api.import_rows(pipeline, body, media=pieces.media, key=key))
        on_progress(total.accepted + total.quarantined)
    return total
