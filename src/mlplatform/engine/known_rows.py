"""Rows of the history in a model folder: what features.py is tried on where generated rows won't do.

They lie there only if the definition says too little to generate rows that features.py takes.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from mlplatform.contracts.columns import Columns
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.errors import IntegrityFailure
from mlplatform.features.parse import to_columns

NAME = "known_rows.json"


def write(folder: Path, rows: Columns) -> None:
    """Write them as JSON, column -> values."""
    document = {name: [_plain(value) for value in array.tolist()] for name, array in rows.items()}
    (folder / NAME).write_text(json.dumps(document))


def read(folder: Path, definition: PipelineDefinition) -> Columns | None:
    """The rows; None when the folder has none. Raises IntegrityFailure for other columns."""
    try:
        document = json.loads((folder / NAME).read_bytes())
        rows, faults = to_columns(document, definition.columns)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError, StopIteration) as error:
        raise IntegrityFailure(f"can't read the model's rows: {error}", field=NAME) from error
    if faults:
        raise IntegrityFailure(f"the model's rows: {faults[0]}", field=NAME)
    return rows


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
