"""The JSON files of a local home: one reader, which names the file, its fault and the way out."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from mlplatform.errors import SettingsError

T = TypeVar("T")
WORDS: TypeAdapter[dict[str, str]] = TypeAdapter(dict[str, str])
NAMES: TypeAdapter[list[str]] = TypeAdapter(list[str])


def read(path: Path, shape: TypeAdapter[T], *, fix: str) -> T | None:
    """What the file holds; None when there is none.

    Raises SettingsError with `fix`, in one line, for a file that can't be read, is not JSON, or is
    of another shape.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise damaged(path, error.strerror or str(error), fix=fix) from error
    try:
        return shape.validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        fault = f"{where}: {first['msg']}" if where else first["msg"]
        raise damaged(path, fault if data else "it is empty", fix=fix) from error


def damaged(path: Path, fault: str, *, fix: str) -> SettingsError:
    """The error for a file of a home that is not what it was written as."""
    return SettingsError(f"can't read {path}: {fault}", field=str(path), fix=fix)
