"""Labels of many rows: from frames, lists and predictions, sent in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from mlplatform.client.dataapi import DataApi
from mlplatform.client.json_http import request
from mlplatform.client.row_table import plain, row_table
from mlplatform.contracts.labels import LabelRefusal, LabelsResult, RowLabel
from mlplatform.errors import InvalidInput

LABELS_AT_ONCE = 5_000
"""As many as the data API stores in one transaction."""
FIELDS = ("request_id", "row", "label", "pipeline")
_FIX = "labels have the columns request_id, row (0 when there is none) and label"


def labels_of(rows: Any, pipeline: str) -> list[RowLabel]:
    """The labels in a frame, or in a list of dicts, with the columns `request_id`, `row`, `label`.

    Raises InvalidInput that names row and column.
    """
    table = row_table(rows)
    missing = [name for name in ("request_id", "label") if name not in table.columns]
    unknown = [name for name in table.columns if name not in FIELDS]
    if missing or unknown:
        what = "missing" if missing else "unknown"
        raise InvalidInput(f"{what} column", field=[*missing, *unknown][0], fix=_FIX)
    names = list(table.columns)
    columns = [[plain(value) for value in values] for values in table.columns.values()]
    cells = (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))
    return [row_label(row, pipeline, f"row {number}") for number, row in enumerate(cells)]


def row_label(fields: dict[str, Any], pipeline: str, where: str) -> RowLabel:
    """One label; its pipeline unless it names one. Raises InvalidInput that says `where`."""
    label = fields.get("label")
    if label is None or label != label:  # noqa: PLR0124  (NaN)
        raise InvalidInput(f"{where}: there is no label", field="label", fix="leave such rows out")
    try:
        return request(RowLabel, **{"pipeline": pipeline, **fields})
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error.message}", field=error.field, fix=_FIX) from error


def send_labels(
    api: DataApi, labels: Iterable[RowLabel], *, on_sent: Callable[[int], None] = lambda _: None
) -> LabelsResult:
    """Send labels in their order; `on_sent` gets their number after each piece.

    What was sent before is safe to be sent again: the same label changes nothing. Refusals count
    the labels from 0 on.
    """
    accepted, sent, refused = 0, 0, list[LabelRefusal]()
    for piece in _pieces(iter(labels)):
        result = api.add_labels(piece)
        accepted += result.accepted
        refused += [each.model_copy(update={"index": sent + each.index}) for each in result.refused]
        sent += len(piece)
        on_sent(sent)
    return LabelsResult(accepted=accepted, refused=refused)


def _pieces(labels: Iterator[RowLabel]) -> Iterator[list[RowLabel]]:
    return iter(lambda: list(islice(labels, LABELS_AT_ONCE)), [])
