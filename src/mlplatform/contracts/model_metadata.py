"""What serving says of a model in the Open Inference Protocol: inputs and outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TensorMetadata:
    """One input or output. The first number of `shape` is -1: any number of rows."""

    name: str
    datatype: str
    shape: list[int]


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    """A model as its clients see it; `parameters` holds the classes of a classification."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]
    parameters: dict[str, list[Any]]
