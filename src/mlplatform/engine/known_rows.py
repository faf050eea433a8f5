"""Rows of the history in a model folder: features.py is tried on them where others won't do.

They lie there only if the definition says too little to generate rows that features.py takes.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from mlplatform.contracts.columns import Columns
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.errors import IntegrityFailure, InvalidInput
from mlplatform.features.parse import to_columns

NAME = "known_rows.json"


def document(rows: Columns) -> dict[str, list[Any]]:
    """Rows as JSON, column -> values."""
    return {name: [_plain(value) for value in array.tolist()] for name, array in rows.items()}


def table(found: Any, definition: PipelineDefinition) -> Columns:
    """Rows out of a document. Raises IntegrityFailure for other columns."""
    try:
        rows, faults = to_columns(found, definition.inputs)
    except (InvalidInput, TypeError, AttributeError, StopIteration) as error:
        raise IntegrityFailure(f"can't read the model's rows: {error}", field=NAME) from error
    if faults:
        raise IntegrityFailure(f"the model's rows: {faults[0]}", field=NAME)
    return rows


def write(folder: Path, rows: Columns) -> None:
    """Put rows into a model folder."""
    (folder / NAME).write_text(json.dumps(document(rows)))


def read(folder: Path, definition: PipelineDefinition) -> Columns | None:
    """The rows; None when the folder has none. Raises IntegrityFailure."""
    try:
        found = json.loads((folder / NAME).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise IntegrityFailure(f"can't read the model's rows: {error}", field=NAME) from error
    return table(found, definition)


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
