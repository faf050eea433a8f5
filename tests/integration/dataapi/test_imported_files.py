"""Files of every format through the client into the data API."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd

from mlplatform.client.files import pieces
from mlplatform.client.files.inputs import input_file
from mlplatform.client.importing import ImportedFile, send_files
from mlplatform.errors import InvalidInput

SCHEMA = pa.schema(
    [
        ("width", pa.float64()),
        ("colour", pa.string()),
        ("kind", pa.string()),
        ("seen_at", pa.timestamp("us", "UTC")),
    ]
)
TEXTS = [
    None,
    "red",
    "NaN",
    "null",
    "07",
    "true",
    " a ",
    "a,b",
    '"',
    "two\nlines",
    "黄色",
    "\u2028",
    "'",
]


def some_rows(seed: int) -> list[dict[str, Any]]:
    """Rows of any numbers, times, and texts that a format could spoil."""
    chance = random.Random(seed)
    first = datetime(1990, 1, 1, tzinfo=UTC)
    return [
        {
            "width": chance.choice([chance.uniform(-1e9, 1e9), 2.0**53, -0.0, 5e-324, 1e308]),
            "colour": chance.choice(TEXTS),
            "kind": chance.choice(["rose", "daisy"]),
            "seen_at": first + timedelta(microseconds=chance.randrange(6 * 10**15)),
        }
        for _ in range(chance.randrange(2, 200))
    ]


ALL = ["r.csv", "r.ndjson", "r.parquet", "r.arrow", "r.feather"]


def send(api: Any, file: Path, **options: Any) -> ImportedFile:
    """Import the file into `manual-one`."""
    with api.client("writer") as client:
        return send_files(
            client, "manual-one", [input_file(file)], on_progress=lambda _: None, **options
        )


def stored(api: Any) -> list[dict[str, Any]]:
    """The stored rows, in order."""
    with api.databases.connect("dataapi", "raw") as connection:
        found = connection.execute(
            "SELECT inputs::text FROM raw.requests ORDER BY log_offset"
        ).fetchall()
    requests = [json.loads(row[0]) for row in found]
    return [
        dict(zip(columns, row, strict=True))
        for columns in requests
        for row in zip(*columns.values(), strict=True)
    ]


def forget(api: Any) -> None:
    """As if nothing had been imported."""
    with api.databases.cluster.superuser(api.databases.raw) as connection:
        connection.execute("TRUNCATE raw.requests, raw.imports")


def write(file: Path, rows: list[dict[str, Any]]) -> Path:
    """The rows in a file of the format of its name."""
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    texts = [{**row, "seen_at": row["seen_at"].isoformat().replace("+00:00", "Z")} for row in rows]
    name = file.name.removesuffix(".gz").removesuffix(".zst")
    if name.endswith(".parquet"):
        pq.write_table(table, file, row_group_size=7)
        return file
    if name.endswith("csv"):
        out = io.StringIO()
        writer = csv.DictWriter(out, SCHEMA.names)
        writer.writeheader()
        writer.writerows(texts)
        body = out.getvalue().encode()
    elif name.endswith("ndjson"):
        body = b"".join(json.dumps(row).encode() + b"\n" for row in texts)
    else:
        sink = pa.BufferOutputStream()
        maker = pa.ipc.new_stream if name.endswith("arrow") else pa.ipc.new_file
        with maker(sink, SCHEMA) as out:
            out.write_table(table, max_chunksize=5)
        body = sink.getvalue().to_pybytes()
    packed = {".gz": gzip.compress, ".zst": zstd.compress}.get(file.suffix, bytes)
    file.write_bytes(packed(body))
    return file


@pytest.mark.parametrize("packed", ["", ".gz", ".zst"])
@pytest.mark.parametrize("seed", range(4))
def test_a_table_is_the_same_in_every_format(
    api: Any, tmp_path: Path, seed: int, packed: str
) -> None:
    """Whatever file a table came in, the same rows are stored, in their order."""
    rows, found = some_rows(seed), {}
    for name in ALL:
        forget(api)
        ending = packed if not name.endswith("parquet") else ""
        send(api, write(tmp_path / f"{name}{ending}", rows))
        found[name] = [
            {**row, "seen_at": datetime.fromisoformat(row["seen_at"])} for row in stored(api)
        ]

    assert dict.fromkeys(ALL, rows) == found


MOMENT = datetime(2025, 3, 4, 5, 6, 7, tzinfo=UTC)
TYPES = [
    *[(pa.array([7], kind()), 7) for kind in (pa.int8, pa.int16, pa.int32, pa.int64)],
    *[(pa.array([7], kind()), 7) for kind in (pa.uint8, pa.uint16, pa.uint32, pa.uint64)],
    *[(pa.array([0.5], kind()), 0.5) for kind in (pa.float16, pa.float32, pa.float64)],
    (pa.array([True]), True),
    (pa.array(["1.5"]).cast(pa.decimal128(9, 2)), 1.5),
    (pa.array(["7"]).cast(pa.decimal256(40, 2)), 7),
    (pa.array(["a"]).dictionary_encode(), "a"),
    (pa.array(["a"], pa.large_string()), "a"),
    (pa.array(["a"], pa.string_view()), "a"),
    (pa.array([MOMENT.date()], pa.date32()), "2025-03-04"),
    (pa.array([MOMENT.date()], pa.date64()), "2025-03-04"),
    *[(pa.array([MOMENT], pa.timestamp(u, "UTC")), "2025-03-04T05:06:07Z") for u in ("s", "ms")],
    *[(pa.array([MOMENT], pa.timestamp(u)), "2025-03-04T05:06:07") for u in ("us", "ns")],
    (pa.array([MOMENT], pa.timestamp("us", "Europe/Berlin")), "2025-03-04T06:06:07+01:00"),
    (pa.nulls(1), None),
]


@pytest.mark.parametrize("ending", ["arrow", "parquet"])
def test_types_of_columns_become_values(api: Any, tmp_path: Path, ending: str) -> None:
    """Numbers of all widths, decimals, texts and times of every kind are stored as they are."""
    columns = {f"c{number}": column for number, (column, _) in enumerate(TYPES)}
    file = tmp_path / f"t.{ending}"
    table = pa.table({"width": [1.0], **columns})
    if ending == "parquet":
        pq.write_table(table, file)
    else:
        with pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
    total = send(api, file)
    (row,) = stored(api)

    assert 1 == total.accepted
    assert [value for _, value in TYPES] == [row[name] for name in columns]


UNFIT = [pa.array([[1]]), pa.array([b"a"]), pa.array([{"a": 1}]), pa.array([1], pa.duration("s"))]


@pytest.mark.parametrize("column", UNFIT, ids=lambda column: str(column.type)[:6])
def test_a_column_that_no_row_can_hold_is_named(api: Any, tmp_path: Path, column: Any) -> None:
    """It is refused before a row is stored, and can be left out."""
    pq.write_table(pa.table({"width": [1.0], "tags": column}), tmp_path / "t.parquet")
    with pytest.raises(InvalidInput, match=r"tags: a row can't hold .*--without"):
        send(api, tmp_path / "t.parquet")
    assert [] == stored(api)
    send(api, tmp_path / "t.parquet", without=["tags"])

    assert [{"width": 1.0}] == stored(api)


def test_a_misspelt_column_is_named(api: Any, tmp_path: Path) -> None:
    """A needed column that is missing is named beside those that nobody knows."""
    pq.write_table(pa.table({"widht": [1.0], "colour": ["a"]}), tmp_path / "t.parquet")

    with pytest.raises(InvalidInput, match=r"lacks the column width .*not declare widht"):
        send(api, tmp_path / "t.parquet")


def test_a_value_that_does_not_fit_costs_its_row(api: Any, tmp_path: Path) -> None:
    """An infinite number in the 30,000th row is quarantined with column and place in the file."""
    widths = [float(number) for number in range(40_000)]
    widths[29_999] = float("inf")
    pq.write_table(pa.table({"width": widths}), tmp_path / "t.parquet")
    total = send(api, tmp_path / "t.parquet")

    assert (39_999, 1) == (total.accepted, total.quarantined)
    assert [(30_000, "width")] == [(each.record, each.field) for each in total.first_reasons]


def test_damage_stops_an_import_and_a_mended_file_goes_on(api: Any, tmp_path: Path) -> None:
    """Rows before the damage stay; the whole file, sent later, brings in the rest once."""
    file = tmp_path / "t.parquet"
    pq.write_table(
        pa.table({"width": [float(number) for number in range(60_000)]}),
        file,
        row_group_size=30_000,
        write_page_checksum=True,
        compression="none",
        use_dictionary=False,
    )
    whole = file.read_bytes()
    place = pq.ParquetFile(file).metadata.row_group(1).column(0).data_page_offset + 200
    file.write_bytes(whole[:place] + b"damage" + whole[place + 6 :])
    with pytest.raises(InvalidInput, match="row group 1, rows 30,001 to 60,000"):
        send(api, file)
    some = len(stored(api))
    file.write_bytes(whole)
    send(api, file)

    assert 0 < some <= 30_000
    assert [float(number) for number in range(60_000)] == [row["width"] for row in stored(api)]
    assert 0 == some % pieces.PIECE_ROWS or some < pieces.PIECE_ROWS
