"""Files of labels: the same labels in every format, or an error with record and field."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlplatform.client.files.inputs import input_file
from mlplatform.client.label_files import file_labels
from mlplatform.contracts.labels import RowLabel
from mlplatform.contracts.pipeline import Target
from mlplatform.errors import InvalidInput

ID = "01985d2e-7c4a-7b11-9c62-0d6f5a0c1e11"
NUMBER, TEXT = Target(name="y", dtype="float64"), Target(name="y", dtype="string")
ROWS = [{"request_id": ID, "row": place, "label": place + 0.5} for place in range(3)]


def _csv(path: Path) -> None:
    lines = [f"{row['request_id']},{row['row']},{row['label']}" for row in ROWS]
    path.write_text("\ufeffrequest_id, row,label\r\n" + "\r\n".join(lines) + "\r\n\r\n")


def _ndjson(path: Path) -> None:
    path.write_bytes(gzip.compress("\n\n".join(map(json.dumps, ROWS)).encode()))


def _parquet(path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), path)


@pytest.mark.parametrize(
    ("name", "write"),
    [("a.csv", _csv), ("a.ndjson.gz", _ndjson), ("a.parquet", _parquet)],
)
def test_every_format_holds_the_same_labels(
    tmp_path: Path, name: str, write: Callable[[Path], None]
) -> None:
    """CSV with a byte order mark and blank lines, packed NDJSON, Parquet."""
    write(tmp_path / name)
    found = list(file_labels(input_file(tmp_path / name), NUMBER, "p"))

    assert [RowLabel(pipeline="p", **row) for row in ROWS] == found


def test_cells_are_read_by_the_type_of_the_target(tmp_path: Path) -> None:
    """A text target's 7 stays a text; a row may be left out."""
    file = tmp_path / "a.csv"
    file.write_text(f"request_id,label\n{ID},7\n")
    read: dict[str, Any] = {
        dtype: next(file_labels(input_file(file), Target(name="y", dtype=dtype), "p")).label
        for dtype in ("float64", "string", "int64")
    }
    file.write_text(f"request_id,label\n{ID},1\n")
    flag = next(file_labels(input_file(file), Target(name="y", dtype="bool"), "p"))

    assert {"float64": 7, "string": "7", "int64": 7} == read
    assert (True, 0) == (flag.label, flag.row)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"request_id,label\n{ID},1\n{ID}\n", "a.csv, record 2: it has 1 fields"),
        (f"request_id,label\n{ID},1\n{ID},\n", "label: a.csv, record 2: there is no label"),
        (f"request_id,label\n{ID},1\n,1\n", "request_id: a.csv, record 2"),
        (f"request_id,row,label\n{ID},x,1\n", "row: a.csv, record 1"),
        (f"request_id,truth\n{ID},1\n", "truth: a.csv, record 1: unknown column"),
        (f"label\n{ID}\n", "request_id: a.csv, record 1"),
        ('request_id,label\n"a', "a.csv can't be read"),
    ],
)
def test_a_wrong_file_is_named_with_record_and_field(tmp_path: Path, text: str, said: str) -> None:
    """Nothing is guessed, and nothing is left out in silence."""
    file = tmp_path / "a.csv"
    file.write_text(text)

    with pytest.raises(InvalidInput, match=said):
        list(file_labels(input_file(file), TEXT, "p"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "record 2: not JSON"),
        ("[1]", "record 2: not an object"),
        (f'{{"request_id": "{ID}", "label": 1, "label": 2}}', "record 2: .*label"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    """Not JSON, no object, a key twice."""
    file = tmp_path / "a.ndjson"
    file.write_text(json.dumps(ROWS[0]) + "\n" + line)

    with pytest.raises(InvalidInput, match=said):
        list(file_labels(input_file(file), NUMBER, "p"))
