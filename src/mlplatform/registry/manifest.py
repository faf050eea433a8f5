"""SHA-256 manifests: which files a model has, and what their bytes are.

`manifest.json` lists every file of a model folder but itself (and BESIDE); its own SHA-256 stands
in the promotion record. So one digest that was approved proves all the bytes that are loaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from mlplatform.contracts.model import Manifest, ModelFile
from mlplatform.errors import ManifestMismatch

NAME = "manifest.json"
BESIDE = "features.py"
"""Not the registry's: a folder that has left the platform carries the features code beside the
model. The digest in signature.json proves it, whoever reads it."""
_CHUNK = 1 << 20


def build(folder: Path) -> Manifest:
    """The manifest of the files as they lie in `folder`, sorted by path.

    Symbolic links are refused: their target could change.
    """
    return Manifest(
        files=tuple(
            ModelFile(
                path=path.relative_to(folder).as_posix(),
                size=path.stat().st_size,
                sha256=hash_file(path),
            )
            for path in _files(folder)
        )
    )


def write(folder: Path) -> str:
    """Write `manifest.json` into `folder`; returns its SHA-256."""
    data = build(folder).model_dump_json(indent=1).encode()
    (folder / NAME).write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def parse(data: bytes, manifest_sha256: str) -> Manifest:
    """The manifest behind the bytes of a manifest.json.

    Raises ManifestMismatch unless their digest is `manifest_sha256`.
    """
    actual = hashlib.sha256(data).hexdigest()
    if actual != manifest_sha256:
        raise ManifestMismatch(
            f"{NAME} has SHA-256 {actual}, the record says {manifest_sha256}", field=NAME
        )
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        raise ManifestMismatch(
            f"{NAME} is not a manifest: {error.errors()[0]['msg']}", field=NAME
        ) from error
    for file in manifest.files:
        if ".." in PurePosixPath(file.path).parts or file.path == NAME:
            raise ManifestMismatch(f"{NAME} lists the path '{file.path}'", field=NAME)
    return manifest


def verify(folder: Path, manifest_sha256: str) -> Manifest:
    """Hash every file of `folder` again.

    Raises ManifestMismatch that names the file which differs, is missing, or is not listed.
    """
    try:
        data = (folder / NAME).read_bytes()
    except OSError as error:
        raise ManifestMismatch(f"can't read {folder / NAME}: {error}", field=NAME) from error
    manifest = parse(data, manifest_sha256)
    actual = {file.path: file for file in build(folder).files}
    for file in manifest.files:
        check(file, actual.pop(file.path, None))
    if actual:
        raise ManifestMismatch(
            f"{', '.join(sorted(actual))} is not listed in {NAME}",
            field=next(iter(sorted(actual))),
        )
    return manifest


def check(expected: ModelFile, actual: ModelFile | None) -> None:
    """Raise ManifestMismatch unless both are the same bytes."""
    if actual is None:
        raise ManifestMismatch(f"{expected.path} is missing", field=expected.path)
    if actual != expected:
        raise ManifestMismatch(
            f"{expected.path} has {actual.size} bytes and SHA-256 {actual.sha256}; "
            f"the manifest says {expected.size} bytes and {expected.sha256}",
            field=expected.path,
        )


def hash_file(path: Path) -> str:
    """Hex SHA-256 of a file, read in pieces."""
    running = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            running.update(piece)
    return running.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise ManifestMismatch(f"{path} is a symbolic link", field=path.name)
        if path.is_file() and path not in (folder / NAME, folder / BESIDE):
            yield path
