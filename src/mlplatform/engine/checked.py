"""An engine that answers with numbers or not at all.

Where scikit-learn raises, a model file may compute on: ONNX Runtime turns a null or an overflow
into NaN, or steps over it. Neither may leave as an answer.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mlplatform.contracts.blocks import BlockLayout, BlockTable
from mlplatform.contracts.columns import Columns, Feature
from mlplatform.contracts.model import Signature
from mlplatform.engine.interface import Engine
from mlplatform.engine.table import NULL_TEXT
from mlplatform.errors import RowRefused
from mlplatform.features.fault import shown

_FEW = 64
"""Up to so many numbers Python's own functions are several times faster than NumPy's (1 us against
4 us right after the model's call): most requests have few rows."""
_SHOWN = 5  # null features of a refused row


class CheckedEngine:
    """The engine of a model file, and what must hold of its answers. See Engine."""

    def __init__(self, raw: Engine, signature: Signature) -> None:
        self.raw = raw
        self._features = signature.features
        self._never_null = signature.never_null
        # Of the last layout. In one tuple, for threads with several layouts may come at once.
        self._guarded: tuple[BlockLayout | None, list[int] | None] = (None, None)
        self._known_texts = {
            name: frozenset([*texts, *([None] if NULL_TEXT in texts else [])])
            for name, texts in signature.known_texts.items()
        }
        self._numbers = tuple(one.name for one in signature.outputs if one.dtype == "float64")

    def predict(self, features: Columns) -> Columns:
        """See Engine.predict. Raises RowRefused for a row that gets no number."""
        if self._never_null:
            self._refuse_nulls(features)
        if self._known_texts:
            self._refuse_texts(features)
        outputs = self.raw.predict(features)
        for name in self._numbers:
            if not _all_numbers(outputs[name]):
                raise self._no_number(features, name, outputs[name])
        return outputs

    def _refuse_nulls(self, features: Columns) -> None:
        if isinstance(features, BlockTable):
            layout, places = self._guarded
            if features.layout is not layout:
                places = self._places(features.layout)
                self._guarded = features.layout, places
            numbers = features.arrays[0]
            if not _any_null(numbers if places is None else numbers[:, places]):
                return
        for name in self._never_null:
            if _any_null(features[name]):
                raise _null(name, int(np.argmax(np.isnan(features[name]))))

    def _places(self, layout: BlockLayout) -> list[int] | None:
        """Where the numbers that are never null lie in their block; None: they are all of it."""
        places = [layout.places[name][1] for name in self._never_null]
        return None if len(places) == len(layout.blocks[0].names) else places

    def _refuse_texts(self, features: Columns) -> None:
        for name, known in self._known_texts.items():
            texts = features[name].tolist()
            if known.issuperset(texts):
                continue
            row, text = next((row, text) for row, text in enumerate(texts) if text not in known)
            value = "null" if text is None else shown(text)
            raise RowRefused(
                f"feature {name} is {value}, which the model does not know", field=name, row=row
            )

    def _no_number(self, features: Columns, name: str, values: NDArray[np.float64]) -> RowRefused:
        numbers = np.isfinite(values).reshape(len(values), -1).all(axis=1)
        row = int(np.argmin(numbers))
        flat = np.atleast_1d(values[row])
        wrong = f"the model gives no number: {name} is {flat[np.argmin(np.isfinite(flat))]:g}"
        nulls = [one.name for one in self._features if _is_null(features, one, row)]
        if nulls:  # perhaps not the reason, where an imputer fills some of them
            wrong += f", with null (NaN) for feature {', '.join(nulls[:_SHOWN])}"
        return RowRefused(wrong, row=row)


def _any_null(values: NDArray[np.float64]) -> bool:
    if values.size <= _FEW:
        total = sum(values.ravel().tolist())  # NaN if one of the numbers is
        return total != total and bool(np.isnan(values).any())  # noqa: PLR0124
    return bool(np.isnan(values).any())


def _all_numbers(values: NDArray[np.float64]) -> bool:
    if values.size <= _FEW:
        return all(map(math.isfinite, values.ravel().tolist()))
    return bool(np.isfinite(values).all())


def _null(name: str, row: int) -> RowRefused:
    return RowRefused(
        f"feature {name} is null (NaN), and the model takes no null there", field=name, row=row
    )


def _is_null(features: Columns, feature: Feature, row: int) -> bool:
    return feature.dtype == "float64" and bool(np.isnan(features[feature.name][row]))
