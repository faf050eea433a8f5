"""Boosters inside an estimator, found by the name of their class: no library is imported here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scipy.sparse import issparse
from sklearn.pipeline import Pipeline

from mlplatform.engine.boosters import catboost_model, lightgbm_model, xgboost_model
from mlplatform.engine.boosters.trees import Ensemble
from mlplatform.errors import InvalidInput

READERS: dict[str, Callable[[Any], Ensemble]] = {
    "xgboost": xgboost_model.read,
    "lightgbm": lightgbm_model.read,
    "catboost": catboost_model.read,
}
"""Package -> how its models are read."""


def package_of(estimator: Any) -> str | None:
    """Which of the libraries made this very estimator, or one that it is derived from."""
    packages = (base.__module__.split(".")[0] for base in type(estimator).__mro__)
    return next((name for name in packages if name in READERS), None)


def boosters(estimator: Any) -> list[Any]:
    """All boosters of an estimator, itself included."""
    inside = estimator.get_params(deep=True).values() if hasattr(estimator, "get_params") else ()
    known = {id(one): one for one in (estimator, *inside) if package_of(one)}
    return list(known.values())


def require_dense(estimator: Any, rows: Any) -> None:
    """Raises InvalidInput where a pipeline hands XGBoost sparse rows: it takes zeros for nulls.

    `rows` are a few that the pipeline takes.
    """
    if not isinstance(estimator, Pipeline) or package_of(estimator[-1]) != "xgboost":
        return
    if len(estimator) > 1 and issparse(estimator[:-1].transform(rows)):
        raise InvalidInput(
            "XGBoost gets sparse rows, in which it takes every zero for a null",
            field="model.py",
            fix="give the ColumnTransformer sparse_threshold=0, or the encoder sparse_output=False",
        )
