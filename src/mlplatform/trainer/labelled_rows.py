"""Training rows in memory: NumPy columns that keep their row's identity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlplatform.contracts.columns import NUMPY, Columns, DType, Feature
from mlplatform.contracts.pipeline import Target
from mlplatform.errors import InvalidInput


@dataclass(frozen=True)
class LabelledRows:
    """Rows of one dataset, in the order of (request_id, row)."""

    request_ids: NDArray[Any]
    rows: NDArray[np.int64]
    keys: NDArray[Any]  # the client's own id of what the row is about, or None
    times: NDArray[np.datetime64]
    labels: NDArray[Any]
    features: Columns

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
        )

    def identities(self) -> list[tuple[str, int]]:
        """(request_id, row) of each row."""
        return list(zip(map(str, self.request_ids), map(int, self.rows), strict=True))


def from_arrow(
    data: pa.Table, features: Sequence[Feature], target: Target, *, key: str | None = None
) -> LabelledRows:
    """A `<pipeline>.training` dataset as a table. Raises InvalidInput when a column is missing."""
    names = (
        "request_id",
        "row",
        "event_time",
        *([key] if key else []),
        target.name,
        *(feature.name for feature in features),
    )
    absent = [name for name in names if name not in data.column_names]
    if absent:
        raise InvalidInput(f"the dataset has no column {', '.join(absent)}", field=absent[0])
    return LabelledRows(
        request_ids=texts(data["request_id"]),
        rows=data["row"].to_numpy().astype(np.int64),
        keys=texts(data[key]) if key else np.full(len(data), None, dtype=np.object_),
        times=_utc(data["event_time"]),
        labels=values(
            data[target.name], "int64" if target.dtype == "bool" else target.dtype
        ),  # classes are numbers or strings
        features={feature.name: values(data[feature.name], feature.dtype) for feature in features},
    )


def values(column: pa.ChunkedArray, dtype: DType) -> NDArray[Any]:
    """One Arrow column as the NumPy array that `Columns` requires."""
    if dtype == "string":
        return texts(column)
    if dtype == "float64":
        return np.asarray(
            column.cast(pa.float64()).to_numpy(), dtype=np.float64
        )  # null becomes NaN
    if column.null_count:
        raise InvalidInput(f"a column of {dtype} holds {column.null_count} nulls")
    return np.asarray(column.to_numpy(), dtype=NUMPY[dtype])


def texts(column: pa.ChunkedArray) -> NDArray[Any]:
    """A column as an object array of str and None."""
    found = np.empty(len(column), dtype=np.object_)
    found[:] = [None if value is None else str(value) for value in column.to_pylist()]
    return found


def _utc(column: pa.ChunkedArray) -> NDArray[np.datetime64]:
    """Timestamps with a zone hold UTC inside; the zone is only for display."""
    return np.asarray(column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()).astype(
        "datetime64[us]"
    )
