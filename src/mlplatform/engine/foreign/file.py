"""What a child is told about a file, and what it tells about the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mlplatform.contracts.columns import Feature
from mlplatform.contracts.foreign_model import ForeignFormat
from mlplatform.contracts.pipeline import Target
from mlplatform.errors import InvalidInput

Classes = tuple[str, ...] | tuple[int, ...]


@dataclass(frozen=True)
class ForeignFile:
    """A file's bytes, and the pipeline that its model is for."""

    format: ForeignFormat
    data: bytes
    features: tuple[Feature, ...]
    task: Literal["classification", "regression"]
    target: Target
    classes: tuple[str, ...]  # as a person named them, in the file's order
    trusted: tuple[str, ...]  # types that a skops file may hold

    @property
    def names(self) -> list[str]:
        """Of the features, in the pipeline's order."""
        return [feature.name for feature in self.features]


def order_of(file: ForeignFile, known: list[str] | None, count: int | None) -> tuple[str, ...]:
    """The features in the order of the model, which knows their names, or how many, or neither.

    Raises InvalidInput with both lists where they don't fit.
    """
    names = file.names
    if known is not None and sorted(known) != sorted(names):
        raise _other(f"the model's are {', '.join(known)}", names)
    if count is not None and count != len(names):
        raise _other(f"the model takes {count}", names)
    return tuple(known or names)


def refuse_texts(file: ForeignFile, who: str) -> None:
    """Raise InvalidInput for features that are texts, which this model can't take."""
    texts = [feature.name for feature in file.features if feature.dtype == "string"]
    if texts:
        raise InvalidInput(
            f"{who} numbers, and features are texts: {', '.join(texts)}",
            field="features",
            fix="encode them in features.py as they were encoded when the model was trained",
        )


def _other(theirs: str, names: list[str]) -> InvalidInput:
    return InvalidInput(
        f"the pipeline's features are {', '.join(names)}; {theirs}",
        field="features",
        fix="declare exactly the model's features in pipeline.yaml (or make them in features.py); "
        "where the file has no names, in the order that it was trained with",
    )


def classes_of(file: ForeignFile, own: list[str | int] | None, count: int) -> Classes:
    """The classes in the model's order: those of the file, or as a person named them.

    `own` is None where the file has none, which then stand for 0, 1, …. Raises InvalidInput with
    both lists where they are no values of the pipeline's target.
    """
    given, target = file.classes, file.target
    if given and len(given) != count:
        raise InvalidInput(
            f"{len(given)} classes are named ({', '.join(given)}), the model has {count}",
            field="--classes",
        )
    found: list[str | int] = list(given) or own or list(range(count))
    if given and target.dtype != "string":
        found = [int(name) if name.lstrip("-").isdigit() else name for name in given]
    wanted = str if target.dtype == "string" else int
    allowed = target.values
    fits = all(type(name) is wanted for name in found)
    if not fits or (allowed and not {str(n) for n in found} <= {str(v) for v in allowed}):
        raise _no_values(file, found)
    if target.dtype == "bool" and sorted(map(int, found)) != [0, 1]:
        raise _no_values(file, found)
    if len(set(found)) != len(found):
        raise InvalidInput(f"a class is there twice: {found}", field="--classes")
    return tuple(str(n) for n in found) if wanted is str else tuple(int(n) for n in found)


def _no_values(file: ForeignFile, found: list[str | int]) -> InvalidInput:
    target = file.target
    values = target.values or ((0, 1) if target.dtype == "bool" else ())
    known = ", ".join(map(str, values)) or f"of type {target.dtype}"
    return InvalidInput(
        f"the model's classes are {', '.join(map(str, found))}; "
        f"values of the target {target.name} are {known}",
        field="--classes",
        fix="name them in the model's order: --classes no,yes, say; classes that a scikit-learn "
        "estimator or a ZipMap of its own has must be the target's values themselves",
    )
