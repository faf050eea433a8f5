"""Labels of many rows: read from frames and lists, sent in pieces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from mlplatform.client.dataapi import DataApi
from mlplatform.client.labelling import LABELS_AT_ONCE, labels_of, send_labels
from mlplatform.contracts.labels import LabelRefusal, LabelsResult, RowLabel
from mlplatform.errors import InvalidInput

ID = "01985d2e-7c4a-7b11-9c62-0d6f5a0c1e11"


class Server:
    """A data API that refuses the labels with the value `bad`."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def add_labels(self, labels: Sequence[RowLabel]) -> LabelsResult:
        """As DataApi does."""
        self.sizes.append(len(labels))
        bad = [
            LabelRefusal(index=index, field="label", reason="bad")
            for index, each in enumerate(labels)
            if each.label == "bad"
        ]
        return LabelsResult(accepted=len(labels) - len(bad), refused=bad)


def test_refusals_count_all_labels() -> None:
    """Pieces have a bounded size; what is refused is numbered as in what was given."""
    server, sent = Server(), list[int]()
    count = LABELS_AT_ONCE + 7
    rows = [
        {"request_id": ID, "row": n, "label": "bad" if n > 5_000 else "a"} for n in range(count)
    ]
    found = send_labels(cast("DataApi", server), labels_of(rows, "p"), on_sent=sent.append)

    assert [LABELS_AT_ONCE, 7] == server.sizes
    assert [LABELS_AT_ONCE, count] == sent
    assert (5_001, list(range(5_001, count))) == (
        found.accepted,
        [each.index for each in found.refused],
    )


def test_frames_and_lists_are_the_same_labels() -> None:
    """Numbers of NumPy become numbers; a label without a row is of row 0."""
    rows = [{"request_id": ID, "label": 1.5}, {"request_id": ID, "label": 2.0}]
    frame = pd.DataFrame(rows)

    assert labels_of(rows, "p") == labels_of(frame, "p")
    assert {(0, "p")} == {(each.row, each.pipeline) for each in labels_of(frame, "p")}
    whole = labels_of([{"request_id": ID, "row": np.int64(3), "label": np.int64(1)}], "p")[0]
    assert (3, 1, int) == (whole.row, whole.label, type(whole.label))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"label": None}, "label: row 1: there is no label"),
        ({"label": float("nan")}, "label: row 1: there is no label"),
        ({"request_id": None}, "request_id: row 1"),
        ({"row": "first"}, "row 1"),
    ],
)
def test_a_wrong_label_is_named(change: dict[str, Any], said: str) -> None:
    """Row and field, before anything is sent."""
    right = {"request_id": ID, "row": 0, "label": 1.0}
    with pytest.raises(InvalidInput, match=said):
        labels_of([right, right | change], "p")


@pytest.mark.parametrize("rows", [[{"label": 1}], [{"request_id": ID, "label": 1, "truth": 1}]])
def test_wrong_columns_are_named(rows: Any) -> None:
    """What is missing and what is too much; the fix lists the columns."""
    with pytest.raises(InvalidInput, match=r"column .labels have the columns request_id, row"):
        labels_of(rows, "p")
