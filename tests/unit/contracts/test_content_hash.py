"""The content hash of a dataset stands for its rows, not for how they were cut."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as some

from mlplatform.contracts.content_hash import ContentHash

ROWS = some.lists(
    some.fixed_dictionaries(
        {
            "number": some.none() | some.floats(),
            "text": some.none() | some.text(max_size=5),
            "flag": some.none() | some.booleans(),
            "count": some.none() | some.integers(-(2**62), 2**62),
        }
    ),
    min_size=1,
    max_size=20,
)
SCHEMA = pa.schema(
    [("number", pa.float64()), ("text", pa.string()), ("flag", pa.bool_()), ("count", pa.int64())]
)


def _hash(table: pa.Table, size: int) -> str:
    whole = ContentHash()
    for batch in table.to_batches(max_chunksize=size):
        whole.update(batch)
    return whole.hexdigest()


@given(rows=ROWS, size=some.integers(1, 20))
def test_batch_borders_do_not_matter(rows: list[dict[str, Any]], size: int) -> None:
    """One batch or many: the same rows have the same hash."""
    table = pa.Table.from_pylist(rows, schema=SCHEMA)

    assert _hash(table, len(rows)) == _hash(table, size)


@given(rows=ROWS, index=some.integers(0, 19))
def test_a_changed_value_changes_the_hash(rows: list[dict[str, Any]], index: int) -> None:
    """A null, a text moved over a border, another number: each shows."""
    changed = [dict(row) for row in rows]
    row = changed[index % len(rows)]
    row["text"] = None if row["text"] is not None else ""

    assert _hash(pa.Table.from_pylist(rows, schema=SCHEMA), 20) != _hash(
        pa.Table.from_pylist(changed, schema=SCHEMA), 20
    )


def test_text_can_not_move_between_rows() -> None:
    """'ab','c' and 'a','bc' differ although their characters are the same."""
    left, right = pa.table({"text": ["ab", "c"]}), pa.table({"text": ["a", "bc"]})

    assert _hash(left, 2) != _hash(right, 2)
