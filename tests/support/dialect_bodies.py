"""One table as the body of every dialect, and a signature with every type of column."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from hypothesis import strategies as st

from mlplatform.contracts.columns import Column, Feature
from mlplatform.contracts.model import Output, Signature
from mlplatform.serving.dialects import INFERENCE, KSERVE, MLFLOW, MLFLOW_CSV, ROWS

ROW = {"age": 1, "bmi": 2.5, "class": "a", "smoker": True}
VALUES: dict[str, Any] = {
    "age": st.integers(-(2**63), 2**63 - 1),
    "bmi": st.none() | st.floats(allow_nan=False, allow_infinity=False),
    "class": st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    "smoker": st.booleans(),
}
COLUMNS = (
    Column(name="age", dtype="int64"),
    Column(name="bmi", dtype="float64", nullable=True),
    Column(name="class", dtype="string", nullable=True),
    Column(name="smoker", dtype="bool"),
)
SIGNATURE = Signature(
    pipeline="ward",
    task="classification",
    inputs=COLUMNS,
    key="patient",
    time="seen_at",
    features=tuple(Feature(name=column.name, dtype=column.dtype) for column in COLUMNS),
    outputs=(
        Output(name="prediction", dtype="string"),
        Output(name="probabilities", dtype="float64", width=2),
    ),
    classes=("no", "yes"),
    format="onnx",
    model_file="model.onnx",
    features_digest="0" * 64,
    commit="c",
)
DATATYPES = {"age": "INT64", "bmi": "FP64", "class": "BYTES", "smoker": "BOOL"}


def tensors(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The request of the Open Inference Protocol: one tensor per column."""
    return {
        "inputs": [
            {
                "name": name,
                "datatype": datatype,
                "shape": [len(rows)],
                "data": [row[name] for row in rows],
            }
            for name, datatype in DATATYPES.items()
        ]
    }


def columnar(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """The table as an object of columns."""
    return {name: [row[name] for row in rows] for name in rows[0]}


def split(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The table as pandas splits it."""
    return {
        "columns": list(rows[0]),
        "index": list(range(len(rows))),
        "data": [list(row.values()) for row in rows],
    }


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    """The table as CSV, nulls as empty cells."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def bodies(rows: list[dict[str, Any]]) -> dict[str, tuple[str, bytes]]:
    """Form -> dialect and body, of rows that hold every column."""
    rows = [{name: row[name] for name in DATATYPES} for row in rows]
    lists = [list(row.values()) for row in rows]
    documents = {
        "rows": (ROWS, {"rows": rows}),
        "columns": (ROWS, {"columns": columnar(rows)}),
        "tensors": (INFERENCE, tensors(rows)),
        "instances": (KSERVE, {"instances": rows}),
        "instances as lists": (KSERVE, {"instances": lists}),
        "inputs": (KSERVE, {"inputs": columnar(rows)}),
        "inputs as lists": (KSERVE, {"inputs": lists}),
        "dataframe_split": (MLFLOW, {"dataframe_split": split(rows)}),
        "dataframe_records": (MLFLOW, {"dataframe_records": rows}),
        "instances of MLflow": (MLFLOW, {"instances": rows}),
        "inputs of MLflow": (MLFLOW, {"inputs": columnar(rows)}),
        "split of MLflow 1": (MLFLOW, split(rows)),
        "records of MLflow 1": (MLFLOW, rows),
    }
    encoded = {
        form: (dialect, json.dumps(document).encode())
        for form, (dialect, document) in documents.items()
    }
    return encoded | {"CSV": (MLFLOW_CSV, as_csv(rows))}
