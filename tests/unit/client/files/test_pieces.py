"""Pieces: bounded, the same each time, and together the whole table."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlplatform.client.files import pieces
from mlplatform.client.files.inputs import input_file
from mlplatform.client.files.pieces import open_pieces
from mlplatform.client.files.text_pieces import csv_pieces, ndjson_pieces
from mlplatform.errors import InvalidInput

DIGESTS = """
import hashlib, sys
from pathlib import Path
from mlplatform.client.files.inputs import input_file
from mlplatform.client.files.pieces import open_pieces
with open_pieces(input_file(Path(sys.argv[1]))) as found:
    for body in found.bodies:
        print(hashlib.sha256(body).hexdigest())
"""


def table(rows: int, width: int = 10) -> pa.Table:
    """A table with nulls in numbers, texts, booleans and times."""
    numbers = range(rows)
    return pa.table(
        {
            "n": pa.array([None if n % 3 == 0 else n for n in numbers], pa.int32()),
            "x": pa.array([None if n % 5 == 0 else n / 3 for n in numbers], pa.float64()),
            "yes": pa.array([None if n % 7 == 0 else n % 2 == 0 for n in numbers]),
            "at": pa.array([None if n % 11 == 0 else n for n in numbers], pa.timestamp("us")),
            "word": pa.array([None if n % 13 == 0 else "w" * width for n in numbers]),
        }
    )


def bodies(file: Path) -> list[bytes]:
    """All pieces of a file."""
    with open_pieces(input_file(file)) as found:
        return list(found.bodies)


def joined(found: list[bytes]) -> pa.Table:
    """The table in Arrow streams."""
    return pa.concat_tables([pa.ipc.open_stream(io.BytesIO(body)).read_all() for body in found])


@pytest.mark.parametrize("group", [700, 50_000], ids=["small groups", "one group"])
def test_parquet_is_cut_by_rows(tmp_path: Path, group: int) -> None:
    """However the file is divided, no piece has too many rows, and all of them are the table."""
    made = table(50_000)
    pq.write_table(made, tmp_path / "t.parquet", row_group_size=group)
    found = bodies(tmp_path / "t.parquet")

    assert made.equals(joined(found))
    assert 50_000 // pieces.PIECE_ROWS + 1 <= len(found) <= 4
    assert all(joined([each]).num_rows <= pieces.PIECE_ROWS for each in found)


def test_wide_rows_are_cut_by_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long texts make pieces of fewer rows; a batch of millions of them is sliced."""
    monkeypatch.setattr(pieces, "PIECE_BYTES", 100_000)
    made = table(5_000, width=1_000)
    with pa.ipc.new_file(tmp_path / "t.arrow", made.schema) as writer:
        writer.write_table(made)
    found = bodies(tmp_path / "t.arrow")

    assert made.equals(joined(found))
    assert max(map(len, found)) < 110_000
    assert 40 < len(found) < 120


def test_a_table_without_rows_is_one_piece(tmp_path: Path) -> None:
    """So the data API can refuse columns that don't fit."""
    pq.write_table(table(0), tmp_path / "t.parquet")

    assert [0] == [joined([each]).num_rows for each in bodies(tmp_path / "t.parquet")]


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow"])
def test_every_process_cuts_the_same_pieces(tmp_path: Path, name: str) -> None:
    """Keys are made of bytes, so they are equal whatever the fresh memory of a process holds."""
    file = tmp_path / name
    if name == "t.parquet":
        pq.write_table(table(45_000), file)
    else:
        with pa.ipc.new_stream(file, table(20).schema) as writer:
            writer.write_table(table(45_000), max_chunksize=7_777)
    digests = {
        subprocess.run(
            [sys.executable, "-c", DIGESTS, file],
            env={"MALLOC_PERTURB_": perturb, "ARROW_DEFAULT_MEMORY_POOL": "system"},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for perturb in ("1", "170")
    }

    assert digests == {"".join(f"{hashlib.sha256(each).hexdigest()}\n" for each in bodies(file))}


def test_columns_can_be_left_out_of_tables_only(tmp_path: Path) -> None:
    """`--without` for a text says why it does nothing."""
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with (
        pytest.raises(InvalidInput, match=r"--without: .*of t\.csv"),
        open_pieces(input_file(tmp_path / "t.csv"), without=["a"]),
    ):
        pass


def test_short_rows_are_counted_too() -> None:
    """A piece of text has a bound of rows: of short ones, 8 MiB would hold a million."""
    lines = io.BytesIO(b"1\n2\n3\n4\n5\n")
    cells = io.BytesIO(b'a\n1\n"2\n2"\n3\n')

    assert [b"1\n2\n", b"3\n4\n", b"5\n"] == list(ndjson_pieces(lines, 1000, rows=2))
    assert [b'a\n1\n"2\n2"\n', b"a\n3\n"] == list(csv_pieces(cells, 1000, rows=2))
