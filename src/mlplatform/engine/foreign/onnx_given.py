"""What an ONNX file from elsewhere takes: a table of all features, or an input for each."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto

from mlplatform.engine.foreign.file import ForeignFile, order_of, refuse_texts
from mlplatform.errors import InvalidInput

KINDS: dict[int, Any] = {
    TensorProto.FLOAT: np.float32,
    TensorProto.DOUBLE: np.float64,
    TensorProto.INT64: np.int64,
    TensorProto.BOOL: np.bool_,
    TensorProto.STRING: np.object_,
}
"""Types of elements that an input may have."""
_SHAPES = "one input of shape [rows, features], or one of [rows, 1] per feature"


def inputs_of(model: ModelProto, file: ForeignFile) -> tuple[dict[str, int], tuple[str, ...]]:
    """The inputs with the types of their elements, and the order of features in a table.

    There is no order where every feature has an input. Raises InvalidInput where they don't fit.
    """
    own = {tensor.name for tensor in model.graph.initializer}
    inputs = [one for one in model.graph.input if one.name not in own]
    kinds, widths = dict[str, int](), dict[str, int | None]()
    for one in inputs:
        tensor = one.type.tensor_type
        dims = tensor.shape.dim
        if tensor.elem_type not in KINDS or len(dims) != 2:
            message = f"the ONNX model's input '{one.name}' is not a table of known values"
            raise InvalidInput(message, field="FILE", fix=_SHAPES)
        kinds[one.name] = int(tensor.elem_type)
        widths[one.name] = int(dims[1].dim_value) if dims[1].HasField("dim_value") else None
    if len(kinds) == 1 and set(kinds) != set(file.names):
        return kinds, _in_table(file, kinds, widths)
    order_of(file, list(kinds), None)
    _require_columns(file, kinds, widths)
    return kinds, ()


def _require_columns(
    file: ForeignFile, kinds: dict[str, int], widths: dict[str, int | None]
) -> None:
    wrong = [
        one.name
        for one in file.features
        if widths[one.name] not in (1, None)
        or (one.dtype == "string") != (kinds[one.name] == TensorProto.STRING)
    ]
    if wrong:
        raise InvalidInput(
            f"inputs of the ONNX model don't fit their columns: {', '.join(wrong)}",
            field="FILE",
            fix=_SHAPES,
        )


def _in_table(
    file: ForeignFile, kinds: dict[str, int], widths: dict[str, int | None]
) -> tuple[str, ...]:
    ((name, width),) = widths.items()
    if kinds[name] not in (TensorProto.FLOAT, TensorProto.DOUBLE):
        raise InvalidInput(f"the input '{name}' is not a table of float or double", field="FILE")
    refuse_texts(file, "the ONNX model takes")
    return order_of(file, None, width)
