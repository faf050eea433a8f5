"""Formats and compressions of files, by the endings of their names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal, get_args

from mlplatform.errors import InvalidInput

Format = Literal["csv", "ndjson", "arrow", "parquet"]
Compression = Literal["gzip", "zstd"]
FORMATS: tuple[Format, ...] = get_args(Format)
ENDINGS: dict[str, Format] = {
    ".csv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".parquet": "parquet",
}
COMPRESSIONS: dict[str, Compression] = {".gz": "gzip", ".zst": "zstd"}


@dataclass(frozen=True)
class FileKind:
    """What is in a file, and what was put around it."""

    format: Format
    compression: Compression | None = None


def kind_of(name: str, *, given: Format | None = None) -> FileKind:
    """The kind of a file of that name. `given` decides the format, whatever the name says.

    Raises InvalidInput for a name that does not say it.
    """
    suffixes = [suffix.lower() for suffix in PurePath(name).suffixes]
    compression = COMPRESSIONS.get(suffixes[-1]) if suffixes else None
    if compression:
        suffixes.pop()
    found = given or (ENDINGS.get(suffixes[-1]) if suffixes else None)
    if found is None:
        raise InvalidInput(
            f"the name of {PurePath(name).name} does not say its format",
            field="FILE",
            fix=f"name it with one of {', '.join(ENDINGS)} (also with .gz or .zst), "
            "or give --format",
        )
    return FileKind(found, compression)
