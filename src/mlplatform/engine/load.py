"""From a model folder to an engine, after proof that the file's bytes are those of the manifest."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast

from pydantic import ValidationError

from mlplatform.contracts.model import Manifest, Signature
from mlplatform.engine.interface import Engine
from mlplatform.errors import ManifestMismatch

_ADAPTERS = {"onnx": "mlplatform.engine.onnx", "skops": "mlplatform.engine.skops"}
"""Imported by format, so that a process which serves ONNX never imports scikit-learn and pandas."""


class Adapter(Protocol):
    """One module per format."""

    def load(self, data: bytes, signature: Signature, trusted: Sequence[str]) -> Engine:
        """The engine of a model file's bytes. Raises IntegrityFailure."""
        ...


def load(folder: Path, signature: Signature, *, trusted: Sequence[str]) -> Engine:
    """The engine of the model in `folder`.

    The model file is read once; those very bytes are hashed against manifest.json and then loaded,
    so nothing can change between check and use. That manifest.json itself is the approved one is
    proven before, by `mlplatform.registry.manifest.verify`. `trusted` names the types that a skops
    file may hold beyond skops' own list. Raises IntegrityFailure when bytes or types are not what
    they must be.
    """
    data = proven(folder, signature.model_file)
    return adapter(signature).load(data, signature, trusted)


def adapter(signature: Signature) -> Adapter:
    """The module that loads models of that format, imported with all its libraries."""
    return cast("Adapter", importlib.import_module(_ADAPTERS[signature.format]))


def read_signature(folder: Path) -> Signature:
    """signature.json of a model folder. Raises ManifestMismatch when it can't be read."""
    try:
        return Signature.model_validate_json((folder / "signature.json").read_bytes())
    except (OSError, ValidationError) as error:
        raise ManifestMismatch(
            f"can't read the model's signature: {error}", field="signature.json"
        ) from error


def proven(folder: Path, name: str) -> bytes:
    """The bytes of a file, which are those of manifest.json; raises ManifestMismatch."""
    try:
        manifest = Manifest.model_validate_json((folder / "manifest.json").read_bytes())
        data = (folder / name).read_bytes()
    except (OSError, ValidationError) as error:
        raise ManifestMismatch(f"can't read the model: {error}", field=name) from error
    expected = {file.path: file.sha256 for file in manifest.files}.get(name)
    actual = hashlib.sha256(data).hexdigest()
    if actual != expected:
        raise ManifestMismatch(
            f"{name} has SHA-256 {actual}, the manifest says {expected}", field=name
        )
    return data
