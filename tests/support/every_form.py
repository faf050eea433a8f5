"""The same rows as the request of every dialect of serving, in each of its forms."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from grpc_calls import infer, packed

Rows = Sequence[Mapping[str, Any]]
TABLE = "input-0"
LENGTH = "inference-header-content-length"


class Sent(NamedTuple):
    """An HTTP request."""

    dialect: str
    path: str
    content: bytes
    headers: dict[str, str]


def over_http(model: str, datatypes: Mapping[str, str], rows: Rows) -> dict[str, Sent]:
    """Form -> request. One tensor of all columns is among them where all are of FP64."""
    columns = {name: [row[name] for row in rows] for name in datatypes}
    lists = [[row[name] for name in datatypes] for row in rows]
    objects = [dict(row) for row in rows]
    split = {"columns": list(datatypes), "data": lists}
    tensors = [_tensor(name, datatypes[name], values) for name, values in columns.items()]
    flat = [value for row in lists for value in row]
    table = {"name": TABLE, "datatype": "FP64", "shape": [len(rows), len(datatypes)]}
    documents: dict[str, tuple[str, str, Any]] = {
        "rows": ("rows", f"/v1/models/{model}/predict", {"rows": objects}),
        "columns": ("rows", f"/v1/models/{model}/predict", {"columns": columns}),
        "tensors": ("v2", f"/v2/models/{model}/infer", {"inputs": tensors}),
        "instances": ("kserve", f"/v1/models/{model}:predict", {"instances": objects}),
        "lists": ("kserve", f"/v1/models/{model}:predict", {"instances": lists}),
        "inputs": ("kserve", f"/v1/models/{model}:predict", {"inputs": columns}),
        "split": ("mlflow", "/invocations", {"dataframe_split": split}),
        "records": ("mlflow", "/invocations", {"dataframe_records": objects}),
        "mlflow lists": ("mlflow", f"/models/{model}/invocations", {"instances": lists}),
        "mlflow inputs": ("mlflow", f"/models/{model}/invocations", {"inputs": columns}),
        "mlflow 1": ("mlflow", "/invocations", split),
    }
    if set(datatypes.values()) == {"FP64"}:
        infer_path = f"/v2/models/{model}/infer"
        documents["table"] = ("v2", infer_path, {"inputs": [table | {"data": flat}]})
        documents["nested table"] = ("v2", infer_path, {"inputs": [table | {"data": lists}]})
    found = {form: _json(*document) for form, document in documents.items()}
    found["CSV"] = Sent("mlflow", "/invocations", _csv(columns), {"content-type": "text/csv"})
    data = [packed(datatypes[name], values) for name, values in columns.items()]
    found["bytes"] = _binary(model, tensors, data)
    if "table" in found:
        found["table of bytes"] = _binary(model, [table], [packed("FP64", flat)])
    return found


def over_grpc(model: str, datatypes: Mapping[str, str], rows: Rows) -> dict[str, Any]:
    """Form -> message."""
    asked = [{name: row[name] for name in datatypes} for row in rows]
    kinds = dict(datatypes)
    found = {
        "typed": infer(asked, model=model, datatypes=kinds),
        "raw": infer(asked, model=model, datatypes=kinds, raw=True),
    }
    if set(kinds.values()) == {"FP64"}:
        flat = [{TABLE: value} for row in asked for value in row.values()]
        for form, raw in (("typed table", False), ("raw table", True)):
            made = infer(flat, model=model, datatypes={TABLE: "FP64"}, raw=raw)
            made.inputs[0].shape[:] = [len(asked), len(kinds)]
            found[form] = made
    return found


def _tensor(name: str, datatype: str, values: list[Any]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [len(values)], "data": values}


def _json(dialect: str, path: str, document: Any) -> Sent:
    content = json.dumps(document).encode()
    return Sent(dialect, path, content, {"content-type": "application/json"})


def _csv(columns: Mapping[str, list[Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue().encode()


def _binary(model: str, tensors: list[dict[str, Any]], data: list[bytes]) -> Sent:
    parts = [
        {name: value for name, value in tensor.items() if name != "data"}
        | {"parameters": {"binary_data_size": len(values)}}
        for tensor, values in zip(tensors, data, strict=True)
    ]
    head = json.dumps({"inputs": parts}).encode()
    headers = {"content-type": "application/octet-stream", LENGTH: str(len(head))}
    return Sent("v2", f"/v2/models/{model}/infer", b"".join([head, *data]), headers)
