"""What is stored of a model in the registry: its files, their manifest, its inputs and outputs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlplatform.contracts.columns import Column, DType, Feature
from mlplatform.contracts.frozen import Frozen

Format = Literal["onnx", "skops"]
SHA256 = r"^[0-9a-f]{64}$"


class ModelFile(Frozen):
    """One line of a manifest."""

    path: str = Field(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]*$",
        description="Relative to the model's artifact folder; no '..'.",
    )
    size: int = Field(ge=0)
    sha256: str = Field(pattern=SHA256)


class Manifest(Frozen):
    """SHA-256 of every file of a model.

    Stored as manifest.json beside them; its own digest is in the promotion record.
    """

    files: tuple[ModelFile, ...]


class Output(Frozen):
    """What the model answers per row."""

    name: str
    dtype: Literal["float64", "int64", "string", "bool"]
    width: int = Field(
        default=1, ge=1, description="Numbers per row; more than 1 for class probabilities."
    )


class Signature(Frozen):
    """signature.json: raw columns in, features between, outputs out."""

    pipeline: str
    task: Literal["classification", "regression"]
    inputs: tuple[Column, ...]
    key: str | None = None
    time: str | None = None
    dropped: tuple[str, ...] = Field(
        default=(), description="Columns that requests may have, and that the model does not get."
    )
    features: tuple[Feature, ...]
    outputs: tuple[Output, ...]
    classes: tuple[str, ...] | tuple[int, ...] | None = None
    never_null: tuple[str, ...] = Field(
        default=(),
        description="Features whose null the file would answer, and scikit-learn refuses.",
    )
    known_texts: dict[str, tuple[str, ...]] = Field(
        default={},
        description="Features of which the file would answer any text, and scikit-learn only these "
        "('' is null).",
    )
    format: Format
    model_file: str = Field(description="model.onnx or model.skops")
    features_digest: str = Field(pattern=SHA256)
    commit: str

    def answering(self, target: DType) -> Signature:
        """This signature, with true and false as the answers where the target is a bool.

        Models know such classes as 1 and 0, in which labels don't come.
        """
        if target != "bool" or self.classes is None:
            return self
        outputs = (
            one.model_copy(update={"dtype": "bool"}) if one.name == "prediction" else one
            for one in self.outputs
        )
        return self.model_copy(update={"outputs": tuple(outputs)})

    @property
    def beside(self) -> tuple[str, ...]:
        """Fields that a request may have beside the inputs: key, time, and what is dropped."""
        return (*(name for name in (self.key, self.time) if name), *self.dropped)

    @property
    def named_classes(self) -> tuple[str | int, ...] | tuple[bool, ...]:
        """The classes as they are answered; empty for a regression."""
        classes = self.classes or ()
        if any(one.name == "prediction" and one.dtype == "bool" for one in self.outputs):
            return tuple(bool(name) for name in classes)
        return classes
