"""SQL lives in `database/sql/*.sql`: each statement has a name and a line that says what it does.

-- name: next_offset
-- Where the consumer continues in a partition.
SELECT next_offset FROM raw.offsets WHERE topic = %(topic)s AND partition = %(partition)s;
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

FOLDER = Path(__file__).parent / "sql"
_NAME = re.compile(r"^-- name: *([a-z][a-z0-9_]*) *$", re.MULTILINE)


@cache
def load(name: str) -> Mapping[str, str]:
    """The statements of `sql/<name>.sql` by name, read once per process.

    Raises ValueError when the file breaks the form.
    """
    return MappingProxyType(
        parse((FOLDER / f"{name}.sql").read_text(encoding="utf-8"), where=f"{name}.sql")
    )


def parse(text: str, *, where: str) -> dict[str, str]:
    """Statements by name.

    Raises ValueError for a name given twice, a statement without a description, or an empty one.
    """
    parts = _NAME.split(text)
    found: dict[str, str] = {}
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        comment, statement = _halves(body)
        if name in found:
            raise ValueError(f"{where}: query '{name}' is there twice")
        if not comment or not statement:
            raise ValueError(f"{where}: query '{name}' needs a description line and a statement")
        found[name] = statement
    return found


def _halves(body: str) -> tuple[str, str]:
    lines = body.strip().splitlines()
    head = next(
        (index for index, line in enumerate(lines) if not line.startswith("--")), len(lines)
    )
    return " ".join(line.lstrip("- ") for line in lines[:head]), "\n".join(lines[head:]).strip()
