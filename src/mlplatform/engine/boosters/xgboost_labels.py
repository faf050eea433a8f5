"""XGBoost's classifier for any labels. Imported only where XGBoost is in use already."""

from __future__ import annotations

from typing import Any

import numpy as np
from xgboost import XGBClassifier


class LabelledXGBClassifier(XGBClassifier):
    """XGBClassifier itself takes no classes but numbers from 0 on without a gap."""

    _labels: Any = None

    def fit(self, X: Any, y: Any, **options: Any) -> LabelledXGBClassifier:  # noqa: N803
        """As XGBClassifier, with the labels as they are, in `eval_set` as well."""
        self._labels = None  # while it fits, its classes are numbers
        labels, codes = np.unique(np.asarray(y), return_inverse=True)
        if options.get("eval_set"):
            options["eval_set"] = [
                (rows, np.searchsorted(labels, np.asarray(known)))
                for rows, known in options["eval_set"]
            ]
        super().fit(X, codes, **options)
        self._labels = labels
        return self

    def predict(self, X: Any, **options: Any) -> Any:  # noqa: N803
        """As XGBClassifier, in labels; margins stay as they are."""
        found = super().predict(X, **options)
        if options.get("output_margin") or self._labels is None:
            return found
        return self._labels[np.asarray(found, dtype=np.int64)]

    @property
    def classes_(self) -> Any:
        """The labels, ascending."""
        return super().classes_ if self._labels is None else self._labels
