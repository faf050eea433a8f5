"""Open Inference Protocol v2, REST with JSON tensors.

A request has one tensor per raw column, of shape [rows] or [rows, 1]. The response has the outputs
`prediction` ([rows]) and, for a classification, `probabilities` ([rows, classes], in the order of
the signature's classes). Its `id` is the client's own where one was sent, as the protocol asks; our
request id is always in `parameters.request_id`. Binary tensors are not supported.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, TypeGuard

import msgspec

from mlplatform.contracts.blocks import BlockLayout
from mlplatform.contracts.columns import Column
from mlplatform.contracts.model import Output, Signature
from mlplatform.errors import InvalidInput
from mlplatform.serving.dialects import diagnose
from mlplatform.serving.dialects.tensors import DATATYPES, NATURAL, accepted, decoder
from mlplatform.serving.request import DecodedRequest, Prediction
from mlplatform.strict_json import distinct, key_count

_WHERE = "inputs.{column}[{row}]"
_EXTRA_DATATYPES = tuple(sorted(NATURAL.keys() - {"BOOL"}))


_Parameters = msgspec.Raw | msgspec.UnsetType  # they have no meaning here


class _Tensor(msgspec.Struct):
    name: str
    datatype: str
    shape: list[int]
    data: msgspec.Raw
    parameters: _Parameters = msgspec.UNSET


class _OutputName(msgspec.Struct):
    name: str
    parameters: _Parameters = msgspec.UNSET


class _Request(msgspec.Struct):
    inputs: list[_Tensor]
    id: str | None = None
    outputs: list[_OutputName] | None = None
    parameters: _Parameters = msgspec.UNSET


class InferenceDialect:
    """See Dialect."""

    def __init__(self, signature: Signature) -> None:
        self._layout = BlockLayout(signature.inputs)
        self._columns = {column.name: column for column in signature.inputs}
        self._place = {column.name: index for index, column in enumerate(signature.inputs)}
        self._decoders = {
            (column.name, datatype): decoder(column, datatype)
            for column in signature.inputs
            for datatype in accepted(column)
        }
        self._extras = frozenset(name for name in (signature.key, signature.time) if name)
        self._outputs = {output.name: output for output in signature.outputs}
        self._request = msgspec.json.Decoder(_Request)

    def decode(self, body: bytes) -> DecodedRequest:
        """See Dialect.decode."""
        try:
            found = self._request.decode(body)
            columns = self._plain(found.inputs)
            certain = columns is not None and _distinct(body, found)
        except diagnose.UNDECODABLE:
            columns, certain = None, False
        # msgspec accepts a key that is there twice, and an escaped NUL inside of a string.
        if columns is None or not certain or diagnose.has_nul(body):
            return self._diagnose(body)
        names = None
        if found.outputs is not None:
            names = self._output_names([output.name for output in found.outputs])
        client_id = diagnose.client_id(found.id)
        return DecodedRequest.of_columns(
            self._layout, columns, len(columns[0]), client_id=client_id, output_names=names
        )

    def encode(self, prediction: Prediction) -> bytes:
        """See Dialect.encode."""
        request = prediction.request
        parameters = {"request_id": prediction.request_id}
        if request.client_id is not None:
            parameters["client_id"] = request.client_id
        names = self._outputs if request.output_names is None else request.output_names
        response = {
            "model_name": prediction.model,
            "model_version": prediction.version,
            "id": prediction.request_id if request.client_id is None else request.client_id,
            "parameters": parameters,
            "outputs": [
                _tensor(self._outputs[name], prediction.outputs[name], request.rows)
                for name in names
            ],
        }
        return msgspec.json.encode(response)

    def _plain(self, tensors: Sequence[_Tensor]) -> list[list[Any]] | None:
        """The columns of flat, complete, well-typed tensors; None for the slow way."""
        if len(tensors) != len(self._columns):
            return None
        columns: list[list[Any] | None] = [None] * len(tensors)
        rows = tensors[0].shape[0] if tensors[0].shape else 0
        for tensor in tensors:
            reader = self._decoders.get((tensor.name, tensor.datatype))
            if reader is None or tensor.shape not in ([rows], [rows, 1]):
                return None
            values = reader.decode(tensor.data)
            if len(values) != rows:
                return None
            columns[self._place[tensor.name]] = values
        if rows < 1 or None in columns:  # a tensor twice leaves another one out
            return None
        return columns  # type: ignore[return-value]

    def _output_names(self, names: Sequence[Any]) -> tuple[str, ...] | None:
        unknown = [name for name in names if not isinstance(name, str) or name not in self._outputs]
        if unknown:
            raise InvalidInput(
                f"there is no output {unknown[0]!r}; outputs are {', '.join(self._outputs)}",
                field="outputs",
            )
        return tuple(dict.fromkeys(names)) or None

    def _diagnose(self, body: bytes) -> DecodedRequest:
        document = diagnose.document(body)
        tensors = _by_name(document.get("inputs"))
        self._refuse_other_columns(tensors)
        rows = _rows(tensors)
        data = {name: _data(tensor, name, rows) for name, tensor in tensors.items()}
        for name, tensor in tensors.items():
            self._refuse_datatype(name, tensor.get("datatype"), data[name])
        inputs = {name: data[name] for name in self._columns}
        columns = diagnose.columns(inputs, tuple(self._columns.values()), _WHERE)
        extras = {
            name: diagnose.scalars(data[name], name, _WHERE)
            for name in data
            if name in self._extras
        }
        client_id = diagnose.client_id(document.get("id"))
        names = self._output_names(_requested(document.get("outputs")))
        return DecodedRequest.of_columns(
            self._layout,
            columns,
            rows,
            client_id=client_id,
            extras=extras,
            output_names=names,
        )

    def _refuse_other_columns(self, tensors: Iterable[str]) -> None:
        missing = [name for name in self._columns if name not in tensors]
        if missing:
            raise InvalidInput(f"missing column {', '.join(missing)}", field=f"inputs.{missing[0]}")
        known = self._columns.keys() | self._extras
        unknown = [name for name in tensors if name not in known]
        if unknown:
            raise InvalidInput(
                f"unknown column {', '.join(unknown)}",
                field=f"inputs.{unknown[0]}",
                fix=f"columns are {', '.join(self._columns)}",
            )

    def _refuse_datatype(self, name: str, datatype: Any, values: list[Any]) -> None:
        column = self._columns.get(name)
        allowed = accepted(column) if column else _EXTRA_DATATYPES
        if datatype not in allowed:
            raise InvalidInput(
                f"column {name} can't be a tensor of {datatype!r}; it may be {', '.join(allowed)}",
                field=f"inputs.{name}",
            )
        if column and column.dtype == "float64" and NATURAL[datatype] == "int64":
            # An INT tensor holds whole numbers only, also where the column takes any number. Nulls
            # are the column's business.
            whole = Column(name=name, dtype="int64")
            numbers = [0 if value is None else value for value in values]
            diagnose.columns({name: numbers}, [whole], _WHERE)


def _distinct(body: bytes, request: _Request) -> bool:
    """Whether the keys are certainly distinct, as far as those of a request are known."""
    outputs = request.outputs or []
    keys = 1 + (request.id is not None) + (request.outputs is not None)
    keys += 4 * len(request.inputs) + len(outputs)
    if distinct(body, keys):
        return True
    parts: list[_Request | _Tensor | _OutputName] = [request, *request.inputs, *outputs]
    for part in parts:
        if part.parameters is not msgspec.UNSET:
            keys += 1 + key_count(msgspec.json.decode(part.parameters))
    return distinct(body, keys)


def _by_name(inputs: Any) -> dict[str, dict[str, Any]]:
    if not isinstance(inputs, list) or not inputs:
        raise InvalidInput("must be a list of at least one tensor", field="inputs")
    found: dict[str, dict[str, Any]] = {}
    for index, tensor in enumerate(inputs):
        if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
            raise InvalidInput(
                "a tensor is an object with name, datatype, shape and data",
                field=f"inputs[{index}]",
            )
        if tensor["name"] in found:
            raise InvalidInput(
                f"column {tensor['name']} comes twice", field=f"inputs[{index}].name"
            )
        found[tensor["name"]] = tensor
    return found


def _rows(tensors: dict[str, dict[str, Any]]) -> int:
    """The number of rows that all shapes agree on."""
    first, rows = next(iter(tensors)), 0
    for name, tensor in tensors.items():
        shape = tensor.get("shape")
        if not _is_column(shape):
            raise InvalidInput(
                f"column {name}: the shape must be [rows] or [rows, 1] with at least one row, "
                f"not {shape!r:.60}",
                field=f"inputs.{name}.shape",
            )
        if rows and shape[0] != rows:
            raise InvalidInput(
                f"column {name} has {shape[0]} rows, column {first} has {rows}",
                field=f"inputs.{name}.shape",
            )
        rows = shape[0]
    return rows


def _is_column(shape: Any) -> TypeGuard[list[int]]:
    return (
        isinstance(shape, list)
        and len(shape) in (1, 2)
        and all(type(size) is int for size in shape)  # a bool is an int to isinstance
        and shape[0] >= 1
        and shape[1:] in ([], [1])
    )


def _data(tensor: dict[str, Any], name: str, rows: int) -> list[Any]:
    """The values of a tensor, nested or flat."""
    data = tensor.get("data")
    if not isinstance(data, list):
        raise InvalidInput(
            f"column {name}: data must be a list (binary tensors are not supported)",
            field=f"inputs.{name}.data",
        )
    single = all(isinstance(item, list) and len(item) == 1 for item in data)
    if len(tensor["shape"]) == 2 and single:
        data = [item[0] for item in data]
    if len(data) != rows:
        raise InvalidInput(
            f"column {name} has {len(data)} values, its shape says {rows}",
            field=f"inputs.{name}.data",
        )
    return data


def _requested(outputs: Any) -> list[Any]:
    if outputs is None:
        return []
    if not isinstance(outputs, list) or not all(isinstance(output, dict) for output in outputs):
        raise InvalidInput("must be a list of objects with a name", field="outputs")
    return [output.get("name") for output in outputs]


def _tensor(output: Output, values: Sequence[Any], rows: int) -> dict[str, Any]:
    shape, data = [rows], values
    if output.width > 1:
        shape, data = [rows, output.width], list(chain.from_iterable(values))
    return {"name": output.name, "shape": shape, "datatype": DATATYPES[output.dtype], "data": data}
