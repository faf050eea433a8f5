"""Tables of every format, compression and type, and files that are damaged."""

from __future__ import annotations

import gzip
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from backports import zstd

from mlplatform.client.files import extras
from mlplatform.client.files.formats import FileKind, kind_of
from mlplatform.client.files.inputs import input_file
from mlplatform.client.files.tables import open_table
from mlplatform.errors import InvalidInput, SettingsError

CHECKED: dict[int, int] = {zstd.CompressionParameter.checksum_flag: 1}
"""As the command zstd writes: with a checksum, without which a changed text shows nowhere."""
TABLE = pa.table(
    {
        "n": pa.array(range(20_000), pa.int64()),
        "x": pa.array([None if n % 7 == 0 else n / 4 for n in range(20_000)], pa.float64()),
        "word": pa.array([f"word {n % 50}" for n in range(20_000)], pa.string()),
    }
)


def write(file: Path, table: pa.Table = TABLE, **options: Any) -> Path:
    """The table in a file, in the format and compression of its name."""
    kind = kind_of(file.name)
    sink = pa.BufferOutputStream()
    if kind.format == "parquet":
        pq.write_table(table, sink, row_group_size=6_000, **options)
    elif kind.format == "csv":
        pa.csv.write_csv(table, sink)
    elif kind.format == "ndjson":
        sink.write(table.to_pandas().to_json(orient="records", lines=True).encode())
    else:
        maker = pa.ipc.new_file if file.name.startswith("file") else pa.ipc.new_stream
        with maker(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=6_000)
    body = sink.getvalue().to_pybytes()
    if kind.compression:
        body = (
            gzip.compress(body)
            if kind.compression == "gzip"
            else zstd.compress(body, options=CHECKED)
        )
    file.write_bytes(body)
    return file


def read(file: Path, **options: Any) -> pa.Table:
    """The whole table of a file."""
    with open_table(file, **options) as table:
        return pa.Table.from_batches(list(table.batches), schema=table.schema)


@pytest.mark.parametrize("compression", ["", ".gz", ".zst", ".GZ"])
@pytest.mark.parametrize(
    "name",
    ["t.csv", "t.ndjson", "t.jsonl", "file.arrow", "stream.arrow", "file.feather", "T.PARQUET"],
)
def test_every_format_holds_the_same_table(tmp_path: Path, name: str, compression: str) -> None:
    """A table comes back as it was written, with its types, from each format and compression."""
    assert TABLE.equals(read(write(tmp_path / f"{name}{compression}")))


def test_parquet_says_how_many_rows_it_has(tmp_path: Path) -> None:
    """The total is known before the first row is read."""
    with open_table(write(tmp_path / "t.parquet")) as table:
        assert 20_000 == table.rows


WAYS = [
    (pa.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"]),
    (pa.array(["a", None, "b"], pa.string_view()), ["a", None, "b"]),
    (pa.array(["a", None, "b"], pa.large_string()), ["a", None, "b"]),
    (pa.RunEndEncodedArray.from_arrays([2, 3], [7, 8]), [7, 7, 8]),
    (pa.array([1, None, 0], pa.bool8()), [True, None, False]),
    (pa.array(["1", None], pa.json_()), ["1", None]),
]


@pytest.mark.parametrize(("column", "values"), WAYS, ids=[str(way[0].type)[:12] for way in WAYS])
def test_ways_to_write_values_are_resolved(tmp_path: Path, column: Any, values: list[Any]) -> None:
    """Dictionaries, views, runs and extension types become the values that they stand for."""
    found = read(write(tmp_path / "stream.arrow", pa.table({"c": column})))["c"]

    assert values == found.to_pylist()
    assert found.type in (pa.string(), pa.large_string(), pa.int64(), pa.bool_())


def test_an_index_of_pandas_is_named_with_the_fix(tmp_path: Path) -> None:
    """The column that pandas makes of a nameless index is refused, and can be left out."""
    frame = TABLE.slice(0, 5).to_pandas().iloc[[3, 1, 4]]
    file = tmp_path / "t.parquet"
    frame.to_parquet(file)
    with pytest.raises(InvalidInput, match=r"--without __index_level_0__.*index=False"):
        read(file)

    assert ["n", "x", "word"] == read(file, without=["__index_level_0__"]).column_names


def test_columns_that_are_not_there_can_not_be_left_out(tmp_path: Path) -> None:
    """A misspelt name is refused with those that the file has."""
    with pytest.raises(InvalidInput, match=r"no column 'wrd'.*n, x, word"):
        read(write(tmp_path / "t.parquet"), without=["wrd"])


@pytest.mark.parametrize("ending", ["csv.gz", "ndjson.zst", "parquet.gz", "arrow.zst"])
def test_a_cut_compressed_file_gives_no_row(tmp_path: Path, ending: str) -> None:
    """A truncated file is refused with the place before its first row."""
    file = write(tmp_path / f"t.{ending}")
    file.write_bytes(file.read_bytes()[:-20])

    with pytest.raises(InvalidInput, match=rf"t\.{ending} ends too early, after [\d,]+ bytes"):
        read(file)


@pytest.mark.parametrize("ending", ["csv.gz", "csv.zst"])
def test_a_damaged_compressed_file_gives_no_row(tmp_path: Path, ending: str) -> None:
    """Changed bytes, and bytes that are no such file at all, are refused with the place."""
    file = write(tmp_path / f"t.{ending}")
    body = bytearray(file.read_bytes())
    body[len(body) // 2] ^= 0xFF
    file.write_bytes(body)
    with pytest.raises(InvalidInput, match=rf"t\.{ending} (is damaged|ends too early), after"):
        read(file)
    file.write_bytes(b"a,b\n1,2\n")
    with pytest.raises(InvalidInput, match="is damaged, after 0 bytes"):
        read(file)


def test_damaged_parquet_names_its_row_group(tmp_path: Path) -> None:
    """Rows of whole row groups come first; then the damaged one is named with its rows."""
    file = write(tmp_path / "t.parquet", write_page_checksum=True)
    place = pq.ParquetFile(file).metadata.row_group(2).column(1).data_page_offset
    body = bytearray(file.read_bytes())
    body[place + 200] ^= 0xFF
    file.write_bytes(body)
    with open_table(file) as table:
        first = pa.Table.from_batches(islice(table.batches, 2))
        with pytest.raises(InvalidInput, match="row group 2, rows 12,001 to 18,000"):
            list(table.batches)

    assert TABLE.slice(0, 12_000).equals(first)


@pytest.mark.parametrize("cut", [0, 2, 9, 100, 60_000])
@pytest.mark.parametrize("name", ["t.parquet", "file.arrow", "stream.arrow"])
def test_cut_files_are_refused(tmp_path: Path, name: str, cut: int) -> None:
    """A file that lacks its end is never taken for a whole one, wherever it was cut."""
    file = write(tmp_path / name)
    file.write_bytes(file.read_bytes()[: -cut or None] if cut else b"")

    with pytest.raises(InvalidInput, match=r"not a whole|is damaged|is empty"):
        read(file)


def test_a_stream_that_ends_between_two_batches_is_cut(tmp_path: Path) -> None:
    """Arrow would read it as whole; its missing end mark is seen. So is what follows the end."""
    file = write(tmp_path / "stream.arrow")
    body = file.read_bytes()
    file.write_bytes(body[:-8])
    with pytest.raises(InvalidInput, match=r"behind row 20,000: it lacks its end"):
        read(file)
    file.write_bytes(body + body)
    with pytest.raises(InvalidInput, match="something follows its end"):
        read(file)


def test_feather_of_long_ago_is_refused_by_name(tmp_path: Path) -> None:
    """Feather's first version is another format."""
    (tmp_path / "t.feather").write_bytes(b"FEA1" + bytes(100) + b"FEA1")

    with pytest.raises(InvalidInput, match="Feather's first version"):
        read(tmp_path / "t.feather")


def test_a_csv_whose_types_change_is_refused(tmp_path: Path) -> None:
    """Types come from the first 4 MiB; a text among later numbers is named, not guessed."""
    (tmp_path / "t.csv").write_bytes(b"a\n" + b"1000000\n" * 700_000 + b"word\n")

    with pytest.raises(InvalidInput, match=r"t\.csv can't be read: .*word"):
        read(tmp_path / "t.csv")


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow", "t.csv.zst"])
def test_a_missing_library_is_named_with_its_extra(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where pyarrow or zstd is not installed, the message says what to install."""

    def missing(name: str) -> Any:
        raise ModuleNotFoundError(name)

    file = write(tmp_path / name)
    monkeypatch.setattr(extras, "import_module", missing)

    with pytest.raises(SettingsError, match=r"pip install 'mlplatform\[files\]'"):
        read(file)


def test_names_say_the_format() -> None:
    """The last endings count; a format that was given decides; another name is refused."""
    assert FileKind("csv", "gzip") == kind_of("2013.flights.csv.gz")
    assert FileKind("parquet") == kind_of("part-0000.snappy.parquet")
    assert FileKind("ndjson", "zstd") == kind_of("rows.log.zst", given="ndjson")
    with pytest.raises(InvalidInput, match=r"rows\.json\.gz does not say its format.*\.parquet"):
        kind_of("rows.json.gz")
    with pytest.raises(InvalidInput, match="does not say its format"):
        input_file(Path("-"))


@pytest.mark.parametrize("texts", [pa.string(), pa.large_string(), pa.string_view()])
@pytest.mark.parametrize("indices", [pa.int8(), pa.uint32()])
def test_categories_of_any_library_are_texts(tmp_path: Path, texts: Any, indices: Any) -> None:
    """Pandas writes dictionaries of strings, polars of views under unsigned numbers."""
    codes = pa.array([1, None, 0], indices)
    column = pa.DictionaryArray.from_arrays(codes, pa.array(["a", "b"], texts))
    table = pa.Table.from_arrays([column], ["word"])

    assert ["b", None, "a"] == read(write(tmp_path / "file.arrow", table))["word"].to_pylist()
