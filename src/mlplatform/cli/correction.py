"""What `quarantine correct` is given: fields on the command line, or a row in a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlplatform.errors import InvalidInput


def assignments(changes: Sequence[str]) -> dict[str, str]:
    """`field=value` as field -> text. Raises InvalidInput."""
    found: dict[str, str] = {}
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals or not name:
            raise InvalidInput(
                f"'{change}' is not a field and a value", field="--set", fix="write field=value"
            )
        if name in found:
            raise InvalidInput(f"'{name}' is set twice", field="--set")
        found[name] = value
    return found


def row_of(file: Path | None) -> dict[str, Any]:
    """The fields in a JSON file; none without one. Raises InvalidInput."""
    if file is None:
        return {}
    try:
        found = json.loads(file.read_bytes(), object_pairs_hook=_distinct)
    except OSError as error:
        raise InvalidInput(f"can't read {file}: {error.strerror}", field="--file") from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{file} is not JSON: {error}", field="--file") from error
    if not isinstance(found, dict):
        raise InvalidInput(f"{file} does not hold a JSON object of fields", field="--file")
    return found


def _distinct(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise InvalidInput("a field is there twice", field="--file")
    return found
