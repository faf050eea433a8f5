"""Frames and lists of dicts become the pieces that files become."""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from mlplatform.client.files.pieces import ARROW, NDJSON, PIECE_ROWS
from mlplatform.client.frame_pieces import frame_pieces
from mlplatform.errors import InvalidInput, SettingsError

MOMENT = datetime(2026, 1, 2, tzinfo=UTC)
ROWS = [{"a": 1, "b": "x", "at": MOMENT}, {"a": 2, "b": None, "at": MOMENT}]


def read(bodies: Any) -> pa.Table:
    """The table in Arrow streams."""
    return pa.concat_tables(pa.ipc.open_stream(io.BytesIO(each)).read_all() for each in bodies)


# pyarrow's own doing, of times with a zone
@pytest.mark.filterwarnings("ignore:Series.values returning")
def test_frames_become_arrow() -> None:
    """Pandas (without its index, categories resolved) and Arrow give the same pieces."""
    frame = pd.DataFrame(ROWS, index=[7, 9]).astype({"b": "category"})
    table = pa.Table.from_pylist(ROWS)

    assert (ARROW, 2) == ((found := frame_pieces(frame)).media, found.rows)
    assert ROWS == read(found.bodies).to_pylist() == read(frame_pieces(table).bodies).to_pylist()
    assert ["b", "at"] == read(frame_pieces(frame, without=["a"]).bodies).column_names


def test_pieces_are_bounded_and_cut_alike() -> None:
    """The same frame gives the same bytes, so that what was sent is recognised."""
    frame = pd.DataFrame({"a": range(2 * PIECE_ROWS + 1)})
    one, two = (list(frame_pieces(frame).bodies) for _ in range(2))

    assert one == two
    assert (3, frame["a"].tolist()) == (len(one), read(one)["a"].to_pylist())


def test_lists_need_no_arrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """They become lines of JSON; a frame without pyarrow names what to install."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    found = frame_pieces([ROWS[0] | {"d": Decimal("1.5")}, {"a": 2}], without=["b"])

    assert (NDJSON, 2) == (found.media, found.rows)
    assert [b'{"a":1,"at":"2026-01-02T00:00:00Z","d":1.5}\n{"a":2}\n'] == list(found.bodies)
    with pytest.raises(SettingsError, match=r"pip install 'mlplatform\[files\]'"):
        frame_pieces(pd.DataFrame(ROWS))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"a": 1}, "rows can't be read from dict"),
        ([{"a": 1.0}, {"a": float("inf")}], "row 1: inf is not a number"),
        ([{"a": object()}], "row 0: a object is not a value"),
        (pd.DataFrame({"a": [1, "x"]}), "can't become an Arrow table"),
    ],
    ids=range(4),
)
def test_what_is_no_table_is_refused(rows: Any, said: str) -> None:
    """With the row or the column, before anything is sent."""
    with pytest.raises(InvalidInput, match=said):
        frame_pieces(rows)
