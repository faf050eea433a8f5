"""The content hash over all types that datasets have."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as some

from mlplatform.contracts.content_hash import ContentHash

EARLIEST = datetime(1970, 1, 1)  # noqa: DTZ001  (hypothesis wants naive bounds)
LATEST = datetime(2100, 1, 1)  # noqa: DTZ001
TYPES = {
    "number": (pa.float64(), some.floats(allow_nan=True)),
    "count": (pa.int64(), some.integers(-(2**63), 2**63 - 1)),
    "flag": (pa.bool_(), some.booleans()),
    "text": (pa.string(), some.text(max_size=4)),
    "moment": (
        pa.timestamp("us", tz="UTC"),
        some.datetimes(EARLIEST, LATEST).map(lambda moment: moment.replace(tzinfo=UTC)),
    ),
}
SCHEMA = pa.schema([(name, kind) for name, (kind, _) in TYPES.items()])
ROWS = some.lists(
    some.fixed_dictionaries({name: some.none() | values for name, (_, values) in TYPES.items()}),
    min_size=1,
    max_size=25,
)


def _hash(batches: list[pa.RecordBatch]) -> str:
    whole = ContentHash()
    for batch in batches:
        whole.update(batch)
    return whole.hexdigest()


@given(rows=ROWS, borders=some.lists(some.integers(0, 25), max_size=6))
def test_the_hash_does_not_depend_on_batch_borders(
    rows: list[dict[str, Any]], borders: list[int]
) -> None:
    """However rows are cut into batches and sliced out of buffers, the hash is that of the rows."""
    table = pa.Table.from_pylist(rows, schema=SCHEMA).combine_chunks()
    whole = table.to_batches()
    cuts = sorted({0, len(rows), *(min(border, len(rows)) for border in borders)})
    pieces = [whole[0].slice(start, end - start) for start, end in itertools.pairwise(cuts)]
    empty = whole[0].slice(0, 0)

    assert _hash(whole) == _hash([empty, *pieces, empty])
    assert _hash(whole) == _hash([pa.RecordBatch.from_pylist([row], schema=SCHEMA) for row in rows])


def test_no_rows_have_one_hash_with_and_without_an_empty_batch() -> None:
    """An empty dataset hashes the same whether its stream carried an empty batch or none."""
    empty = pa.RecordBatch.from_pylist([], schema=SCHEMA)

    assert _hash([empty]) == _hash([])
