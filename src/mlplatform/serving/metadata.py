"""A model's metadata in the Open Inference Protocol: inputs, outputs and loaded version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mlplatform.contracts.model import Format
from mlplatform.contracts.model_metadata import ModelMetadata, TensorMetadata
from mlplatform.serving.dialects.tensors import DATATYPES
from mlplatform.serving.model import LoadedModel
from mlplatform.serving.slot import Slot

EXTENSIONS = ("binary_tensor_data", "model_repository")
"""Of the Open Inference Protocol, as Triton calls them."""
_PLATFORMS: dict[Format, str] = {"onnx": "onnx_onnxv1", "skops": "sklearn_skops"}


@dataclass(frozen=True, slots=True)
class ModelState:
    """A line of the repository's index. `version` is empty where none is loaded; see `reason`."""

    name: str
    version: str
    state: Literal["READY", "UNAVAILABLE"]
    reason: str


def describe(model: LoadedModel) -> ModelMetadata:
    """The metadata of a loaded model."""
    signature = model.signature
    return ModelMetadata(
        name=signature.pipeline,
        versions=[model.version],
        platform=_PLATFORMS[signature.format],
        inputs=[
            TensorMetadata(column.name, DATATYPES[column.dtype], [-1])
            for column in signature.inputs
        ],
        outputs=[
            TensorMetadata(
                output.name,
                DATATYPES[output.dtype],
                [-1] if output.width == 1 else [-1, output.width],
            )
            for output in signature.outputs
        ],
        parameters={} if signature.classes is None else {"classes": list(signature.named_classes)},
    )


def state(slot: Slot) -> ModelState:
    """Whether a version serves, and why not, or why it is not the promoted one."""
    if slot.champion is None:
        return ModelState(slot.pipeline, "", "UNAVAILABLE", slot.state)
    return ModelState(slot.pipeline, slot.champion.version, "READY", slot.fault)
