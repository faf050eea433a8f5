"""Names of a file's columns as names of a pipeline's fields."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Container, Sequence

from mlplatform.contracts.columns import NAME, RESERVED
from mlplatform.contracts.pipeline import PipelineDefinition

_LONGEST = 63
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_OTHER = re.compile(r"[^a-z0-9]+")


def plain_name(text: str) -> str:
    """The nearest name that a column of a pipeline may have.

    `Sepal Length (cm)` becomes `sepal_length_cm`, `MedInc` becomes `med_inc`, and a name that
    datasets use themselves gets `_value`. It is the same for the same text, and a name that may
    stay as it is stays.
    """
    if re.match(NAME, text) and text not in RESERVED:
        return text
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    name = _OTHER.sub("_", _HUMP.sub("_", ascii_only).lower()).strip("_")
    if not name[:1].isalpha():
        name = f"column_{name}".rstrip("_")
    name = name[:_LONGEST].rstrip("_")
    return f"{name[: _LONGEST - 6]}_value" if name in RESERVED else name


def other_name(name: str, taken: Container[str]) -> str:
    """The name itself, or with the first number that makes it another one than those taken."""
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name[: _LONGEST - 4].rstrip('_')}_{number}"
    return found


def fields(definition: PipelineDefinition) -> frozenset[str]:
    """Everything that a row of the history may hold by its declaration."""
    others = (definition.target.name, definition.key, definition.time, definition.weight)
    names = (*(column.name for column in definition.columns), *others)
    return frozenset(name for name in names if name is not None)


def as_declared(names: Sequence[str], declared: Collection[str]) -> list[str]:
    """The names of a file, with the field that is meant where only the writing differs.

    `Sepal Length (cm)` is the declared `sepal_length_cm`, unless that is there as well, or two
    names of the file could mean it.
    """
    meant = [name if name in declared else plain_name(name) for name in names]
    return [
        there if there in declared and meant.count(there) == 1 else name
        for name, there in zip(names, meant, strict=True)
    ]
