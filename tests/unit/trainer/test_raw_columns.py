"""Raw columns of the test rows, by which gates may slice."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlplatform.client.dataset import Dataset
from mlplatform.contracts.columns import Column
from mlplatform.errors import InvalidInput, Unavailable
from mlplatform.trainer import datasets
from mlplatform.trainer.datasets import DatasetReader
from mlplatform.trainer.raw_columns import of_rows
from mlplatform.trainer.steps.split import slicing_columns

CITY = Column(name="city", dtype="string", nullable=True)


def _requests(*inputs: dict[str, list[Any]]) -> pa.Table:
    return pa.table(
        {
            "request_id": [f"{number:06d}" for number in range(len(inputs))],
            "inputs": [json.dumps(each) for each in inputs],
        }
    )


def test_a_column_that_is_younger_than_a_request_is_null_there(table) -> None:
    """Requests stored before the column was declared have no value of it.

    Where null is not allowed the row is named.
    """
    requests = _requests({"age": [1.0]}, {"age": [2.0], "city": ["Bonn"]})

    assert [None, "Bonn"] == of_rows(requests, table(2), [CITY])["city"].tolist()
    with pytest.raises(InvalidInput, match="raw column of a test row"):
        of_rows(requests, table(2), [CITY.model_copy(update={"nullable": False})])


def test_a_raw_standby_that_is_behind_is_read_again(
    table, pinned, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Test rows that the raw standby does not have yet are waited for, as long as the run may."""
    receipt: Any = None  # not read
    answers = [_requests({"age": [1.0]}), _requests({"city": ["Kiel"]}, {"city": ["Bonn"]})]
    monkeypatch.setattr(datasets, "download", lambda *_, **__: Dataset(answers.pop(0), receipt))
    monkeypatch.setattr(
        datasets, "retry", lambda read, seconds: _twice(read) if seconds == 9 else None
    )
    columns = [{"name": "age", "dtype": "float64"}, {"name": "city", "dtype": "string"}]
    made = pinned(columns=columns, gates=[{"metric": "roc_auc", "min": 0.5, "slice": "city"}])
    reader = DatasetReader(None, 9)  # type: ignore[arg-type]  # nothing calls it
    found = slicing_columns(reader, made, table(2))

    assert ["Kiel", "Bonn"] == found["city"].tolist()
    assert {"age", "calls", "plan", "city"} == found.keys()
    assert np.array_equal(found["age"], table(2).features["age"])


def _twice(read: Any) -> Any:
    with pytest.raises(Unavailable, match="1 test rows"):
        read()
    return read()
