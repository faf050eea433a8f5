"""Libraries that not every installation has, imported when a file needs them.

The core package reads CSV and NDJSON, plain or with gzip. pyarrow is heavy, and most commands need
none of them, so they are no imports at the top.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from mlplatform.errors import SettingsError


def arrow(what: str) -> Any:
    """The package pyarrow. For `what`. Raises SettingsError that names the extra."""
    return _package("pyarrow", what)


def parquet(what: str) -> Any:
    """The package pyarrow.parquet. See `arrow`."""
    return _package("pyarrow.parquet", what)


def zstd(what: str) -> Any:
    """The package backports.zstd. See `arrow`."""
    return _package("backports.zstd", what)


def frames(name: str) -> Any:
    """The package of that name, `pandas` or `polars`, which no extra brings. See `arrow`."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"a frame of {name} can't be made without it, and it is not installed",
            field=name,
            fix=f"pip install {name}",
        ) from error


def _package(name: str, what: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"{what} can't be read without {name}, which is not installed",
            field="FILE",
            fix="pip install 'mlplatform[files]'",
        ) from error
