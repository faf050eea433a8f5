"""Several streams of rows, each in the order of a key, as one in that order.

So what comes out does not depend on how the rows are spread, nor on where batches end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc


def merge(
    streams: Sequence[Iterator[pa.RecordBatch]], schema: pa.Schema, *, key: str
) -> Iterator[pa.RecordBatch]:
    """Batches of `schema`, in ascending order of the column `key`, which is left out of them.

    The streams have `schema` and the key (a string without nulls, unique in each, ascending).
    Rows with one key in several streams come once. Holds a batch of each stream in memory.
    """
    waiting = [_Waiting(stream) for stream in streams]
    last = ""  # no key is below it
    while waiting := [each for each in waiting if each.fill()]:
        # Up to here nothing is still to come of any of them.
        bound = min(each.last(key) for each in waiting)
        some = pa.Table.from_batches([each.take(key, bound) for each in waiting])
        some = some.filter(pc.greater(some[key], last))
        last = bound
        if len(some):
            yield _ordered(some, key, schema)


def _ordered(some: pa.Table, key: str, schema: pa.Schema) -> pa.RecordBatch:
    keys = some[key].combine_chunks()
    order = pc.sort_indices(keys)
    keys = keys.take(order)
    # The first of those with one key.
    fresh = pa.concat_arrays([pa.array([True]), pc.not_equal(keys[1:], keys[:-1])])
    rows = some.select(schema.names).take(order.filter(fresh)).combine_chunks()
    return pa.RecordBatch.from_arrays([column.chunk(0) for column in rows.columns], schema=schema)


class _Waiting:
    """What a stream has sent and nobody has taken."""

    def __init__(self, stream: Iterator[pa.RecordBatch]) -> None:
        self._stream = stream
        self._batch: pa.RecordBatch | None = None

    def fill(self) -> bool:
        """Have rows; False when the stream has ended."""
        while self._batch is None or not self._batch.num_rows:
            self._batch = next(self._stream, None)
            if self._batch is None:
                return False
        return True

    def last(self, key: str) -> str:
        """The key of the last row."""
        assert self._batch is not None
        return str(self._batch[key][-1].as_py())

    def take(self, key: str, bound: str) -> pa.RecordBatch:
        """The rows up to a key, which are no longer here then."""
        assert self._batch is not None
        count = pc.sum(pc.less_equal(self._batch[key], bound)).as_py()
        taken = self._batch.slice(0, count)
        self._batch = self._batch.slice(count)
        return taken
