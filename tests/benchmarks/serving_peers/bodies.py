"""The same rows in the dialects of all servers, and the predictions in their answers."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOKEN = "benchmark"
_DATATYPES = {"float64": "FP64", "int64": "INT64", "string": "BYTES", "bool": "BOOL"}
Body = tuple[dict[str, str], bytes]
"""Headers of its own, and the bytes."""


@dataclass(frozen=True)
class Sample:
    """What `models.py` wrote of one model: columns, rows to ask for, and what scikit-learn says."""

    model: str
    columns: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[Any]]
    expected: Sequence[Any]

    @classmethod
    def read(cls, folder: Path) -> Sample:
        """Of the model's folder."""
        return cls(**json.loads((folder / "rows.json").read_bytes()))

    def part(self, start: int, rows: int) -> Sample:
        """Some of the rows."""
        end = start + rows
        return Sample(self.model, self.columns, self.rows[start:end], self.expected[start:end])

    @property
    def names(self) -> list[str]:
        """Of the columns."""
        return [name for name, _ in self.columns]

    @property
    def floats(self) -> bool:
        """Whether all columns are numbers of one type, so that rows are one array."""
        return all(dtype == "float64" for _, dtype in self.columns)

    def dicts(self) -> list[dict[str, Any]]:
        """Rows as objects."""
        return [dict(zip(self.names, row, strict=True)) for row in self.rows]


@dataclass(frozen=True)
class Dialect:
    """How to ask, and how to read the answer (headers in lower case, body)."""

    name: str
    path: str
    write: Callable[[Sample], Body]
    read: Callable[[Mapping[str, str], bytes], list[Any]]
    floats_only: bool = False  # for other columns it is the same as another one, or not there
    least_rows: int = 1

    def fits(self, sample: Sample, rows: int) -> bool:
        """Whether it is measured with this model and so many rows."""
        return rows >= self.least_rows and (sample.floats or not self.floats_only)

    def request(self, sample: Sample) -> bytes:
        """The bytes of one HTTP request."""
        own, body = self.write(sample)
        headers = {
            "host": "127.0.0.1",
            "authorization": f"Bearer {TOKEN}",
            "content-type": "application/json",
            **own,
            "content-length": str(len(body)),
        }
        lines = [f"POST {self.path.format(model=sample.model, rows=len(sample.rows))} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + body


def _json(document: Any) -> Body:
    return {}, json.dumps(document, separators=(",", ":")).encode()


def _rows(sample: Sample) -> Body:
    return _json({"rows": sample.dicts()})


def _columns(sample: Sample) -> Body:
    return _json({"columns": dict(zip(sample.names, zip(*sample.rows, strict=True), strict=True))})


def _instances(sample: Sample) -> Body:
    return _json({"instances": sample.rows if sample.floats else sample.dicts()})


def _invocations(sample: Sample) -> Body:
    if sample.floats:
        return _json({"inputs": sample.rows})
    return _json({"dataframe_split": {"columns": sample.names, "data": sample.rows}})


def tensors(sample: Sample) -> list[dict[str, Any]]:
    """One tensor where all columns are numbers of one type, else one per column."""
    count = len(sample.rows)
    if sample.floats:
        data = [value for row in sample.rows for value in row]
        shape = [count, len(sample.columns)]
        return [{"name": "inputs", "shape": shape, "datatype": "FP64", "data": data}]
    return [
        {"name": name, "shape": [count, 1], "datatype": _DATATYPES[dtype], "data": list(values)}
        for (name, dtype), values in zip(
            sample.columns, zip(*sample.rows, strict=True), strict=True
        )
    ]


def _v2(sample: Sample) -> Body:
    return _json({"inputs": tensors(sample)})


def _v2_columns(sample: Sample) -> Body:
    """One tensor per column also where one would do."""
    return _json(
        {
            "inputs": [
                {
                    "name": name,
                    "shape": [len(sample.rows)],
                    "datatype": _DATATYPES[dtype],
                    "data": values,
                }
                for (name, dtype), values in zip(
                    sample.columns, zip(*sample.rows, strict=True), strict=True
                )
            ]
        }
    )


def _v2_typed(sample: Sample) -> Body:
    """With the content types by which MLServer makes an array or a table of the tensors."""
    inputs = tensors(sample)
    for tensor in inputs:
        if tensor["datatype"] == "BYTES":
            tensor["parameters"] = {"content_type": "str"}
    kind = "np" if sample.floats else "pd"
    return _json({"parameters": {"content_type": kind}, "inputs": inputs})


def _v2_binary(sample: Sample) -> Body:
    """One tensor of floats as its bytes, answered as bytes too."""
    [tensor] = tensors(sample)
    values = tensor.pop("data")
    data = struct.pack(f"<{len(values)}d", *values)
    tensor["parameters"] = {"binary_data_size": len(data)}
    _, head = _json({"inputs": [tensor], "parameters": {"binary_data_output": True}})
    headers = {
        "content-type": "application/octet-stream",
        "inference-header-content-length": str(len(head)),
    }
    return headers, head + data


def _predictions(_: Mapping[str, str], body: bytes) -> list[Any]:
    return list(json.loads(body)["predictions"])


def _outputs(_: Mapping[str, str], body: bytes) -> list[Any]:
    return list(json.loads(body)["outputs"][0]["data"])


def _binary_outputs(headers: Mapping[str, str], body: bytes) -> list[Any]:
    length = int(headers["inference-header-content-length"])
    [*_, output] = [
        one for one in json.loads(body[:length])["outputs"] if one["name"] == "prediction"
    ]
    code = {"INT64": "q", "FP64": "d", "FP32": "f"}[output["datatype"]]
    form = f"<{output['shape'][0]}{code}"
    return list(struct.unpack(form, body[length : length + struct.calcsize(form)]))


ROWS = Dialect("rows", "/v1/models/{model}/predict", _rows, _predictions)
COLUMNS = Dialect("columns", "/v1/models/{model}/predict", _columns, _predictions)
V2 = Dialect("v2", "/v2/models/{model}/infer", _v2, _outputs)
V2_COLUMNS = Dialect("v2 per column", "/v2/models/{model}/infer", _v2_columns, _outputs, True)
V2_BINARY = Dialect("v2 binary", "/v2/models/{model}/infer", _v2_binary, _binary_outputs, True, 2)
V2_CONSTANT = Dialect("v2", "/{rows}", _v2, _outputs)
V2_TYPED = Dialect("v2", "/v2/models/{model}/infer", _v2_typed, _outputs)
V1 = Dialect("v1", "/v1/models/{model}:predict", _instances, _predictions)
PLAIN = Dialect("instances", "/predict", _instances, _predictions)
INVOCATIONS = Dialect("invocations", "/invocations", _invocations, _predictions)
