"""Training rows in memory: NumPy columns that keep their row's identity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlplatform.contracts.columns import NUMPY, DType, Feature
from mlplatform.contracts.pipeline import Target
from mlplatform.errors import InvalidInput

_OWN = ("request_id", "row", "event_time")
_TEXT = np.dtypes.StringDType(na_object=None)
_PART = 65_536
"""Texts that are Python objects at once."""


@dataclass(frozen=True)
class LabelledRows:
    """Rows of one dataset, in the order of (request_id, row)."""

    request_ids: NDArray[Any]
    rows: NDArray[np.int64]
    keys: NDArray[Any]  # the client's own id of what the row is about, or None
    times: NDArray[np.datetime64]
    labels: NDArray[Any]
    features: dict[str, NDArray[Any]]
    weights: NDArray[np.float64] | None = None  # how much each counts; None: all the same

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, positions: NDArray[np.int64]) -> LabelledRows:
        """Some of the rows, in the order of `positions`."""
        return replace(
            self,
            request_ids=self.request_ids[positions],
            rows=self.rows[positions],
            keys=self.keys[positions],
            times=self.times[positions],
            labels=self.labels[positions],
            features={name: values[positions] for name, values in self.features.items()},
            weights=None if self.weights is None else self.weights[positions],
        )

    def divide(self, *sides: NDArray[np.int64]) -> list[LabelledRows]:
        """The rows at the positions of each side, in their order.

        Uses these rows up: a feature is dropped once it is in all sides, so that no two copies of
        the dataset are in memory.
        """
        parts = [replace(self, features={}).take(side) for side in sides]
        for name in list(self.features):
            values = self.features.pop(name)
            for part, side in zip(parts, sides, strict=True):
                part.features[name] = values[side]
        return parts

    def identities(self) -> list[tuple[str, int]]:
        """(request_id, row) of each row."""
        return list(zip(map(str, self.request_ids), map(int, self.rows), strict=True))


def from_arrow(
    columns: dict[str, pa.ChunkedArray],
    features: Sequence[Feature],
    target: Target,
    *,
    key: str | None = None,
    weight: str | None = None,
) -> LabelledRows:
    """A `<pipeline>.training` dataset. Raises InvalidInput when a column is missing.

    Uses the columns up: each is dropped once it is copied, so that no dataset is in memory twice.
    """
    _keep_named(columns, [key, weight, target.name, *(feature.name for feature in features)])
    # Classes are numbers or strings.
    dtype: DType = "int64" if target.dtype == "bool" else target.dtype
    unnamed = np.full(len(columns["row"]), None, dtype=np.object_)
    return LabelledRows(
        request_ids=identifiers(columns.pop("request_id")),
        rows=columns.pop("row").to_numpy().astype(np.int64),
        keys=identifiers(columns.pop(key)) if key else unnamed,
        times=_utc(columns.pop("event_time")),
        labels=values(columns.pop(target.name), dtype),
        weights=_weights(columns.pop(weight)) if weight else None,
        features={one.name: _moved(columns, one) for one in features},
    )


def _weights(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """A row without one counts once."""
    found = values(column, "float64")
    found[np.isnan(found)] = 1.0
    return found


def _keep_named(columns: dict[str, pa.ChunkedArray], others: Sequence[str | None]) -> None:
    names = [*_OWN, *(name for name in others if name)]
    absent = [name for name in names if name not in columns]
    if absent:
        raise InvalidInput(f"the dataset has no column {', '.join(absent)}", field=absent[0])
    for name in columns.keys() - set(names):
        del columns[name]


def _moved(columns: dict[str, pa.ChunkedArray], feature: Feature) -> NDArray[Any]:
    found = values(columns.pop(feature.name), feature.dtype)
    # Arrow keeps what was freed for its next column; there is none.
    pa.default_memory_pool().release_unused()
    return found


def values(column: pa.ChunkedArray, dtype: DType) -> NDArray[Any]:
    """One Arrow column as the NumPy array that `Columns` requires."""
    if dtype == "string":
        return texts(column)
    if dtype == "float64":
        column = column.cast(pa.float64())  # null becomes NaN
    elif column.null_count:
        raise InvalidInput(f"a column of {dtype} holds {column.null_count} nulls")
    found, begun = np.empty(len(column), dtype=NUMPY[dtype]), 0
    for chunk in column.chunks:
        found[begun : begun + len(chunk)] = chunk.to_numpy(zero_copy_only=False)
        begun += len(chunk)
    return found


def texts(column: pa.ChunkedArray) -> NDArray[Any]:
    """A column as an object array of str and None. Equal texts of a part are one object."""
    found = np.empty(len(column), dtype=np.object_)
    for begun, part in _parts(column):
        coded = part.dictionary_encode()
        known = np.array([*coded.dictionary.to_pylist(), None], dtype=np.object_)
        found[begun : begun + len(part)] = known[pc.fill_null(coded.indices, -1).to_numpy()]
    return found


def identifiers(column: pa.ChunkedArray) -> NDArray[Any]:
    """A column of texts that are mostly different ones, without an object for each.

    Its items are str and None as well.
    """
    found = np.empty(len(column), dtype=_TEXT)
    for begun, part in _parts(column):
        found[begun : begun + len(part)] = part.to_pylist()
    return found


def _parts(column: pa.ChunkedArray) -> Iterator[tuple[int, pa.Array]]:
    """Pieces of few rows, and where each begins: whatever is made of one is soon gone."""
    begun = 0
    for chunk in column.cast(pa.large_string()).chunks:
        for at in range(0, len(chunk), _PART):
            part = chunk.slice(at, _PART)
            yield begun, part
            begun += len(part)


def _utc(column: pa.ChunkedArray) -> NDArray[np.datetime64]:
    """Timestamps with a zone hold UTC inside; the zone is only for display."""
    return np.asarray(column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()).astype(
        "datetime64[us]"
    )
