"""CatBoost's .cbm. Imported only where CatBoost is in use already."""

from __future__ import annotations

from typing import Any

import numpy as np
from catboost import CatBoostClassifier, CatBoostRegressor

from mlplatform.engine.foreign.file import ForeignFile, classes_of
from mlplatform.errors import InvalidInput

_MAGIC = b"CBM1"
_CLASSIFIES = ("Logloss", "CrossEntropy", "MultiClass", "MultiClassOneVsAll")


def read(file: ForeignFile) -> Any:
    """The estimator. Raises what CatBoost raises for a damaged file."""
    if not file.data.startswith(_MAGIC):
        raise InvalidInput(
            "this is not a .cbm of CatBoost", field="FILE", fix="write it with save_model"
        )
    classifies = file.task == "classification"
    estimator = LoadedCatBoostClassifier() if classifies else LoadedCatBoostRegressor()
    estimator.load_model(blob=file.data)
    loss = str(estimator.get_all_params()["loss_function"]).split(":", maxsplit=1)[0]
    if (loss in _CLASSIFIES) != classifies:
        raise InvalidInput(f"its loss is {loss}, the pipeline is a {file.task}", field="FILE")
    if isinstance(estimator, LoadedCatBoostClassifier):
        own = [_plain(name) for name in estimator.own_classes()]
        estimator.labels = np.array(classes_of(file, own, len(own)))
    return estimator


def _plain(name: Any) -> Any:
    """A class of the file: a text, or a whole number."""
    if isinstance(name, str):
        return str(name)
    return int(name) if float(name).is_integer() else str(name)


def _names(estimator: Any) -> Any:
    """The names in the file; an estimator without them lacks the attribute."""
    names = [str(name) for name in estimator.feature_names_]
    if names == [str(at) for at in range(len(names))]:  # CatBoost makes them up
        raise AttributeError("feature_names_in_")
    return np.array(names, dtype=object)


class LoadedCatBoostRegressor(CatBoostRegressor):
    """With the names of features as scikit-learn calls them, and one thread."""

    feature_names_in_ = property(_names)
    n_features_in_ = property(lambda self: len(self.feature_names_))

    def predict(self, data: Any, **options: Any) -> Any:
        """See CatBoostRegressor; threads don't start under a limit of memory."""
        return super().predict(data, thread_count=1, **options)


class LoadedCatBoostClassifier(CatBoostClassifier):
    """The same, with classes that a person may have named."""

    labels: Any = None
    feature_names_in_ = property(_names)
    n_features_in_ = property(lambda self: len(self.feature_names_))

    def own_classes(self) -> Any:
        """As the file names them."""
        return super().classes_

    @property
    def classes_(self) -> Any:
        """In the order of the probabilities."""
        return self.own_classes() if self.labels is None else self.labels

    def predict(self, data: Any, **options: Any) -> Any:
        """The class as it is named now."""
        found = np.asarray(super().predict(data, thread_count=1, **options)).reshape(-1)
        own = [str(name) for name in self.own_classes()]
        return self.labels[[own.index(str(name)) for name in found]]

    def predict_proba(self, X: Any, **options: Any) -> Any:  # noqa: N803 - CatBoost's name
        """See CatBoostClassifier."""
        return super().predict_proba(X, thread_count=1, **options)
