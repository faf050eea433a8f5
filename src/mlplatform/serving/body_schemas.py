"""The JSON schemas of bodies, for the OpenAPI page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlplatform.serving.dialects import INFERENCE, KSERVE, MLFLOW, ROWS

_TABLE: dict[str, Any] = {"type": "array", "items": {"type": "array"}, "minItems": 1}
_RECORDS: dict[str, Any] = {"type": "array", "items": {"type": "object"}, "minItems": 1}
_COLUMNS: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "array"}}
SIZE: dict[str, Any] = {"type": "integer", "minimum": 0}
_NAMED = {"name": {"type": "string"}, "parameters": {"type": "object"}}
_TENSOR: dict[str, Any] = {
    "type": "object",
    "required": ["name", "datatype", "shape"],
    "properties": _NAMED
    | {
        "datatype": {"type": "string"},
        "shape": {"type": "array", "items": SIZE, "minItems": 1, "maxItems": 2},
        "data": {"type": "array"},
    },
}
_SPLIT: dict[str, Any] = {
    "type": "object",
    "required": ["columns", "data"],
    "properties": {
        "columns": {"type": "array", "items": {"type": "string"}},
        "index": {"type": "array"},
        "data": _TABLE,
    },
}
_INSTANCES: dict[str, Any] = {"instances": {"type": "array", "minItems": 1}}
_INPUTS = {"inputs": {"anyOf": [_COLUMNS, {"type": "array", "minItems": 1}]}}
PROPERTIES: Mapping[str, dict[str, Any]] = {
    ROWS: {"rows": _RECORDS, "columns": _COLUMNS, "id": {"type": "string"}},
    INFERENCE: {
        "inputs": {"type": "array", "items": _TENSOR, "minItems": 1},
        "outputs": {"type": "array", "items": {"type": "object", "properties": _NAMED}},
        "id": {"type": "string"},
        "parameters": {"type": "object"},
    },
    KSERVE: {**_INSTANCES, **_INPUTS, "signature_name": {"enum": ["serving_default"]}},
    MLFLOW: {
        "dataframe_split": _SPLIT,
        "dataframe_records": _RECORDS,
        **_INSTANCES,
        **_INPUTS,
        "params": {"type": "object", "maxProperties": 0},
    },
}
"""Dialect -> properties of its JSON body. The model's columns are not part of the page."""


def refusal(more: Mapping[str, str]) -> dict[str, Any]:
    """The schema of a problem document that has these members besides."""
    texts = ("type", "title", "detail", "field", "fix", *more)
    properties: dict[str, Any] = {name: {"type": "string"} for name in texts}
    properties |= {"status": {"type": "integer"}, "retry_after_s": {"type": "number"}}
    required = ["type", "title", "status", *more]
    return {"type": "object", "properties": properties, "required": required}
