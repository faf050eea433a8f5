"""Raw columns of the test rows, out of the requests dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlplatform.contracts.columns import Column
from mlplatform.errors import InvalidInput
from mlplatform.trainer.table import Table, texts, values


def of_rows(requests: pa.Table, test: Table, columns: Sequence[Column]) -> dict[str, NDArray[Any]]:
    """These columns for exactly the test rows, in their order. Raises InvalidInput when a row or column is missing."""
    absent = [column.name for column in columns if column.name not in requests.column_names]
    if absent:
        raise InvalidInput(f"the requests dataset has no column {', '.join(absent)}", field=absent[0])
    identities = zip(texts(requests["request_id"]), requests["row"].to_pylist(), strict=True)
    place = {(request, int(row)): at for at, (request, row) in enumerate(identities)}
    missing = [key for key in test.identities() if key not in place]
    if missing:
        raise InvalidInput(f"{len(missing)} test rows are not in the requests dataset, such as {missing[0]}")
    positions = np.array([place[key] for key in test.identities()], dtype=np.int64)
    return {column.name: values(requests[column.name], column.dtype)[positions] for column in columns}
