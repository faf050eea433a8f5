"""A model file that was made elsewhere, on its way to a trainer."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlplatform.contracts.frozen import Frozen
from mlplatform.contracts.model import SHA256
from mlplatform.contracts.text import Word

ForeignFormat = Literal["onnx", "skops", "xgboost", "lightgbm", "catboost", "joblib"]
"""How the bytes are read."""


class ImportedModel(Frozen):
    """Where the file of an imported version comes from, as people said who brought it."""

    file: Word = Field(description="Its name, without folders.")
    origin: Word = Field(description="What was named: a file, a folder, or models:/NAME/VERSION.")
    format: ForeignFormat
    sha256: str = Field(pattern=SHA256)
    size: int = Field(ge=1)
    by: Word = Field(description="User and machine of whoever imported it.")
    trusted: bool = Field(
        default=False, description="Whether a person said that code in the file may run."
    )
    classes: tuple[str, ...] = Field(
        default=(), description="Names of the classes in the file's order, where it has none."
    )

    @property
    def text(self) -> str:
        """For people: what it is and where it comes from."""
        return f"{self.origin} ({self.format}, SHA-256 {self.sha256})"
