"""Values that the export would answer and scikit-learn refuses: serving refuses them by name.

Trees in ONNX, for example, take NaN for some number, where many of scikit-learn's raise; and an
ordinal encoder gives a text that it has never seen the code of none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mlplatform.contracts.columns import Columns, length
from mlplatform.engine.interface import Engine
from mlplatform.engine.table import NULL_TEXT
from mlplatform.features.code import FeatureSet
from mlplatform.features.probe import UNSEEN
from mlplatform.trainer.outcome import outcome, taken

Predict = Callable[[Columns], Columns]
Same = Callable[[Columns, Columns], bool]
_EACH = 2  # known rows, in which one feature is null
_MANY = 100  # features that are asked about one by one
_TEXTS = 1000  # most texts of a feature that a signature names


def never_null(
    engine: Engine, reference: Predict, made: FeatureSet, train: Columns, *, same: Same, seed: int
) -> tuple[str, ...]:
    """Names of features, in their order. `same` compares answers of scikit-learn and the engine.

    Where pipeline.yaml allows a null or known rows hold one, other answers are left to the proof of
    equality. Any other null (features.py may make one at any time) must be answered alike.
    """
    names = _candidates(made)
    rows = _with_nulls(train, names, np.random.default_rng(seed))
    owner = np.repeat(np.arange(len(names)), _EACH)
    found = outcome(engine.predict, rows)
    suspects = sorted(set(owner[found.answered].tolist()))
    known = {name for name in names if made.identity or np.isnan(train[name]).any()}
    hopeless = len(suspects) > _MANY and _refuses_all(reference, rows, suspects, names)
    refused = []
    for at in suspects:
        chosen = found.answered & (owner == at)
        own = taken(found.answers, chosen[found.answered])
        if (hopeless and names[at] not in known) or _wrong(
            reference, taken(rows, chosen), own, None if names[at] in known else same
        ):
            refused.append(names[at])
    return tuple(refused)


def known_texts(
    engine: Engine, reference: Predict, made: FeatureSet, train: Columns
) -> dict[str, tuple[str, ...]]:
    """Text features of which the export answers any text, and scikit-learn only these.

    A feature of very many texts is left out; the proof of equality then fails.
    """
    found: dict[str, tuple[str, ...]] = {}
    for one in made.features:
        if one.dtype == "string":
            allowed = next((c.values for c in made.inputs if c.name == one.name), None)
            texts = _texts(engine, reference, train, one.name, allowed or ())
            if texts:
                found[one.name] = texts
    return found


def _texts(
    engine: Engine, reference: Predict, train: Columns, name: str, allowed: Sequence[str]
) -> tuple[str, ...]:
    unseen = _with_texts(train, name, [UNSEEN])
    if not outcome(engine.predict, unseen).answered.all():
        return ()
    if outcome(reference, unseen).answered.all():
        return ()
    texts = sorted({NULL_TEXT, *allowed, *(text for text in train[name] if text is not None)})
    if len(texts) > _TEXTS:
        return ()
    known = outcome(reference, _with_texts(train, name, texts)).answered
    return tuple(text for text, is_known in zip(texts, known, strict=True) if is_known)


def _with_texts(train: Columns, name: str, texts: Sequence[str]) -> Columns:
    """The first known row, with each of these texts in one feature."""
    rows = {each: values[:1].repeat(len(texts)) for each, values in train.items()}
    rows[name][:] = texts
    return rows


def _candidates(made: FeatureSet) -> list[str]:
    """The features that can be null: raw columns where they may be, others at any time."""
    nullable = {column.name for column in made.inputs if column.nullable}
    return [
        one.name
        for one in made.features
        if one.dtype == "float64" and (not made.identity or one.name in nullable)
    ]


def _with_nulls(train: Columns, names: list[str], random: np.random.Generator) -> Columns:
    """Known rows, in each of which one feature is null."""
    rows = random.integers(0, max(1, length(train)), _EACH * len(names))
    table = {name: values[rows] for name, values in train.items()}
    for at, name in enumerate(names):
        table[name][at * _EACH : (at + 1) * _EACH] = np.nan
    return table


def _wrong(reference: Predict, rows: Columns, own: Columns, same: Same | None) -> bool:
    """Whether scikit-learn refuses one of these rows, or answers it in another way."""
    expected = outcome(reference, rows)
    if not expected.answered.all():
        return True
    return same is not None and not same(expected.answers, own)


def _refuses_all(reference: Predict, rows: Columns, suspects: list[int], names: list[str]) -> bool:
    """Whether a row that holds all of these nulls at once is refused."""
    row = {name: values[:1].copy() for name, values in rows.items()}
    for at in suspects:
        row[names[at]][:] = np.nan
    return not outcome(reference, row).answered.all()
