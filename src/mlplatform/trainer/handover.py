"""A model file and sample rows on their way from the command line to a trainer: one folder.

The trainer may run as another user, or in a pod: it gets everything in one place and no path of
the person's own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mlplatform.contracts.foreign_model import ImportedModel
from mlplatform.errors import IntegrityFailure, InvalidInput

Row = Mapping[str, Any]
_ABOUT, _MODEL, _ROWS = "import.json", "model", "rows.json"


@dataclass(frozen=True)
class Handover:
    """What a trainer is to import."""

    about: ImportedModel
    data: bytes
    rows: Sequence[Row]


def write(folder: Path, given: Handover) -> None:
    """Make the folder, readable for everybody who may enter the folder above."""
    folder.mkdir(mode=0o755)
    rows = json.dumps([dict(row) for row in given.rows]).encode()
    about = given.about.model_dump_json(indent=1).encode()
    for name, data in ((_ABOUT, about), (_MODEL, given.data), (_ROWS, rows)):
        (folder / name).write_bytes(data)
        (folder / name).chmod(0o644)
    folder.chmod(0o755)


def read(folder: Path) -> Handover:
    """What `write` wrote. Raises InvalidInput, IntegrityFailure for another file than was named."""
    try:
        about = ImportedModel.model_validate_json((folder / _ABOUT).read_bytes())
        data, rows = (folder / _MODEL).read_bytes(), json.loads((folder / _ROWS).read_bytes())
    except (OSError, ValidationError, ValueError) as error:
        raise InvalidInput(
            f"{folder} can't be imported: {error}",
            field="--import",
            fix="let `mlplatform import-model --handover FOLDER` write it",
        ) from error
    if hashlib.sha256(data).hexdigest() != about.sha256:
        raise IntegrityFailure(f"{folder / _MODEL} is not the file {about.file}", field="--import")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InvalidInput(f"{folder / _ROWS} holds no rows", field="--import")
    return Handover(about, data, rows)
