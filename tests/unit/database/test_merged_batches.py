"""Rows of several servers as one stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from mlplatform.contracts.content_hash import ContentHash
from mlplatform.database.merged_batches import merge

SCHEMA = pa.schema([("value", pa.int64()), ("text", pa.string())])
KEYED = SCHEMA.append(pa.field("__key", pa.string()))


def batch(numbers: Sequence[int]) -> pa.RecordBatch:
    """A row for each number."""
    texts = [None if number % 3 == 0 else f"t{number}" for number in numbers]
    keys = [f"{number:04}" for number in numbers]
    arrays = [pa.array(numbers, pa.int64()), pa.array(texts, pa.string()), pa.array(keys)]
    return pa.RecordBatch.from_arrays(arrays, schema=KEYED)


def stream(numbers: Sequence[int], size: int) -> Iterator[pa.RecordBatch]:
    """The rows of these numbers, so many a batch."""
    for first in range(0, len(numbers), size):
        yield batch(numbers[first : first + size])


def merged(parts: Sequence[Sequence[int]], sizes: Sequence[int]) -> tuple[list[int], str]:
    """The values that come out, and their content hash."""
    streams = [stream(sorted(part), size) for part, size in zip(parts, sizes, strict=True)]
    content, values = ContentHash(), list[int]()
    for each in merge(streams, SCHEMA, key="__key"):
        content.update(each)
        values += each["value"].to_pylist()
    return values, content.hexdigest()


@given(
    st.dictionaries(st.integers(0, 9999), st.integers(0, 2), max_size=60),
    st.lists(st.integers(1, 9), min_size=3, max_size=3),
)
def test_the_hash_does_not_depend_on_how_rows_are_spread(
    places: dict[int, int], sizes: list[int]
) -> None:
    """On one server or on three, in batches of any size: the same rows in the same order."""
    parts = [[number for number, at in places.items() if at == place] for place in range(3)]
    assert merged([list(places)], [7]) == merged(parts, sizes)
    assert sorted(places) == merged(parts, sizes)[0]


@given(st.lists(st.lists(st.integers(0, 40), unique=True), min_size=1, max_size=4), st.data())
def test_a_row_on_two_servers_comes_once(parts: list[list[int]], data: st.DataObject) -> None:
    """However many servers have it, and wherever their batches end."""
    sizes = [data.draw(st.integers(1, 5)) for _ in parts]
    assert sorted({number for part in parts for number in part}) == merged(parts, sizes)[0]
