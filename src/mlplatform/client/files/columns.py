"""Columns of Arrow as they are sent: chosen, and of types that hold single values.

Dictionaries, views, runs and extension types are ways to write values; the values are what counts,
and only they have a size that grows with the rows alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlplatform.client.files import extras
from mlplatform.errors import InvalidInput

if TYPE_CHECKING:
    import pyarrow as pa

_INDEX = "__index_level_"
"""How pandas names a column for an index that has no name."""


def kept(names: Sequence[str], without: Sequence[str], where: str) -> list[str]:
    """The names that are not left out.

    Raises InvalidInput for one that is not there, and for an index of pandas that is not left out.
    """
    strange = [name for name in without if name not in names]
    if strange:
        raise InvalidInput(
            f"{where} has no column '{strange[0]}'",
            field="--without",
            fix=f"its columns are {', '.join(names)}",
        )
    kept = [name for name in names if name not in without]
    index = next((name for name in kept if name.startswith(_INDEX)), None)
    if index is not None:
        raise InvalidInput(
            f"{where}: pandas wrote its index into the file, as a column",
            field=index,
            fix=f"leave it out with `--without {index}`, or write the file with index=False",
        )
    return kept


def plain(batch: pa.RecordBatch, names: Sequence[str]) -> pa.RecordBatch:
    """These columns of a batch, as single values, without metadata."""
    pa = extras.arrow("the table")
    # By place: of two columns with one name the data API is to hear.
    places = [place for place, name in enumerate(batch.schema.names) if name in names]
    columns = [_values(pa, batch.column(place)) for place in places]
    return pa.RecordBatch.from_arrays(columns, names=[batch.schema.names[each] for each in places])


def plain_schema(schema: pa.Schema, names: Sequence[str]) -> pa.Schema:
    """The schema that batches have after `plain`."""
    pa = extras.arrow("the table")
    # Not from_pylist: Arrow makes no dictionaries of every type that polars writes.
    none = [pa.nulls(0, field.type) for field in schema]
    return plain(pa.RecordBatch.from_arrays(none, schema=schema), names).schema


def _values(pa: Any, column: Any) -> Any:
    types = pa.types
    while True:
        kind = column.type
        if isinstance(kind, pa.Bool8Type):
            column = column.cast(pa.bool_())
        elif isinstance(kind, pa.BaseExtensionType):
            column = column.storage
        elif types.is_dictionary(kind):
            # Its texts first: those that polars writes are views, which can't be looked up.
            texts = _values(pa, column.dictionary)
            column = pa.DictionaryArray.from_arrays(column.indices, texts).dictionary_decode()
        elif types.is_run_end_encoded(kind):
            column = pa.compute.run_end_decode(column)
        elif types.is_string_view(kind):
            return column.cast(pa.large_string())
        else:
            return column
