"""What an engine is. Two real ones exist: ONNX Runtime, and scikit-learn out of a skops file."""

from __future__ import annotations

from typing import Protocol

from mlplatform.contracts.columns import Columns


class Engine(Protocol):
    """A loaded model.

    Immutable and safe to call from several threads; rows never influence each other. But ONNX
    Runtime may choose another kernel for one row than for many, so the last bits of a number may
    depend on how many rows come together: for equal bytes, call with a fixed number of rows.
    """

    def predict(self, features: Columns) -> Columns:
        """Feature columns in, output columns out, as the signature declares them.

        `prediction` is (rows,): float64 for a regression, else the class (int64, or str objects). A
        classification adds `probabilities`, float64 (rows, classes), in the order of the
        signature's `classes`. Raises InvalidInput when a feature is missing.
        """
        ...
