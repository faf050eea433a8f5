"""Raw columns of the test rows, out of the raw requests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from mlplatform.contracts.columns import Column, Columns
from mlplatform.errors import InvalidInput, Unavailable
from mlplatform.features.parse import to_columns
from mlplatform.trainer.labelled_rows import LabelledRows, texts


def of_rows(requests: pa.Table, test: LabelledRows, columns: Sequence[Column]) -> Columns:
    """These columns for exactly the test rows, in their order.

    A column that is younger than a request is null there. Raises Unavailable when the raw standby
    does not have a row yet, InvalidInput for a null where none may be.
    """
    inputs = _inputs(requests, set(map(str, test.request_ids)))
    rows = test.identities()
    picked = {
        column.name: [_value(inputs[request].get(column.name), row) for request, row in rows]
        for column in columns
    }
    typed, faults = to_columns(picked, columns)
    if faults:
        raise InvalidInput(f"raw column of a test row: {faults[0]}", field=faults[0].column)
    return typed


def _inputs(requests: pa.Table, required: set[str]) -> dict[str, dict[str, list[Any]]]:
    pairs = zip(texts(requests["request_id"]), texts(requests["inputs"]), strict=True)
    inputs = {request: json.loads(text) for request, text in pairs if request in required}
    missing = sorted(required - inputs.keys())
    if missing:
        raise Unavailable(
            f"{len(missing)} test rows are not on the raw standby yet, such as {missing[0]}",
            retry_after_s=5.0,
        )
    return inputs


def _value(column: list[Any] | None, row: int) -> Any:
    return None if column is None else column[row]
