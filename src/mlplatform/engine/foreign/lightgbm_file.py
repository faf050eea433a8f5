"""LightGBM's text files. Imported only where LightGBM is in use already."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from lightgbm import Booster, LGBMClassifier, LGBMRegressor

from mlplatform.engine.foreign.file import ForeignFile, classes_of
from mlplatform.errors import InvalidInput

_CLASSIFIES = ("binary", "multiclass", "multiclassova")
_MADE_UP = re.compile(r"Column_\d+")
"""What LightGBM calls features that have no names."""


def read(file: ForeignFile) -> Any:
    """The estimator. Raises what LightGBM raises for a damaged file."""
    try:
        text = file.data.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput("this is not a text file of LightGBM", field="FILE") from error
    if not text.startswith("tree\n"):
        raise InvalidInput(
            "this is not a text file of LightGBM",
            field="FILE",
            fix="write it with booster_.save_model('model.txt')",
        )
    booster = Booster(model_str=text)
    objective = re.search(r"^objective=(\S+)", text, re.MULTILINE)
    name = objective[1] if objective else "none"
    if (name in _CLASSIFIES) != (file.task == "classification"):
        raise InvalidInput(f"its objective is {name}, the pipeline is a {file.task}", field="FILE")
    if file.task == "regression":
        return LoadedLGBMRegressor().take(booster)
    count = max(2, booster.num_model_per_iteration())
    return LoadedLGBMClassifier().take(booster, np.array(classes_of(file, None, count)))


class LoadedLGBMRegressor(LGBMRegressor):
    """LightGBM's own estimators can't be made of a file."""

    def take(self, booster: Booster) -> Any:
        """This estimator, which predicts by that booster."""
        names = booster.feature_name()
        self._Booster, self.fitted_, self._n_features = booster, True, len(names)
        self.named = None if all(map(_MADE_UP.fullmatch, names)) else names
        return self

    @property
    def feature_names_in_(self) -> Any:
        """The names in the file; an estimator without them lacks the attribute."""
        if self.named is None:
            raise AttributeError("feature_names_in_")
        return np.array(self.named, dtype=object)

    @property
    def n_features_in_(self) -> int:
        """How many features a row has."""
        return int(self._n_features)

    def predict(self, X: Any, **_: Any) -> Any:  # noqa: N803 - scikit-learn's name
        """By the booster itself."""
        return self._Booster.predict(np.asarray(X, dtype=np.float64))


class LoadedLGBMClassifier(LGBMClassifier):
    """The same for classes."""

    def take(self, booster: Booster, labels: Any) -> Any:
        """This estimator, which predicts by that booster, in these classes."""
        names = booster.feature_name()
        self._Booster, self.fitted_, self._n_features = booster, True, len(names)
        self.named = None if all(map(_MADE_UP.fullmatch, names)) else names
        self.labels = labels
        return self

    feature_names_in_ = LoadedLGBMRegressor.feature_names_in_
    n_features_in_ = LoadedLGBMRegressor.n_features_in_

    @property
    def classes_(self) -> Any:
        """In the order of the probabilities."""
        return self.labels

    def predict_proba(self, X: Any, **_: Any) -> Any:  # noqa: N803
        """By the booster itself, which gives the second of two classes only."""
        found = self._Booster.predict(np.asarray(X, dtype=np.float64))
        return np.stack([1.0 - found, found], axis=1) if found.ndim == 1 else found

    def predict(self, X: Any, **_: Any) -> Any:  # noqa: N803
        """The class of the largest probability, the first of equals."""
        return self.labels[np.argmax(self.predict_proba(X), axis=1)]
