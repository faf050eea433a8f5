"""Real tables that packages ship: name -> rows, and the column to predict."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pandas as pd
from sklearn import datasets as sk
from statsmodels import datasets as sm
from vega_datasets import local_data

Table = tuple[pd.DataFrame, str]


def _sklearn(load: Callable[..., sk.base.Bunch], target: str = "target") -> Callable[[], Table]:
    def read() -> Table:
        found = load(as_frame=True)
        return pd.concat([found.data, found.target], axis=1), target

    return read


def _statsmodels(name: str, target: str) -> Callable[[], Table]:
    return lambda: (getattr(sm, name).load_pandas().data, target)


def _vega(name: str, target: str) -> Callable[[], Table]:
    def read() -> Table:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it reads in a way that pandas will drop
            return getattr(local_data, name)(), target

    return read


TABLES: dict[str, Callable[[], Table]] = {
    "iris": _sklearn(sk.load_iris),
    "wine": _sklearn(sk.load_wine),
    "breast-cancer": _sklearn(sk.load_breast_cancer),
    "diabetes": _sklearn(sk.load_diabetes),
    "linnerud": _sklearn(sk.load_linnerud, "Pulse"),
    "anes96": _statsmodels("anes96", "vote"),
    "fair": _statsmodels("fair", "affairs"),
    "modechoice": _statsmodels("modechoice", "choice"),
    "spector": _statsmodels("spector", "GRADE"),
    "star98": _statsmodels("star98", "NABOVE"),
    "cars": _vega("cars", "Miles_per_Gallon"),
    "seattle-weather": _vega("seattle_weather", "weather"),
}
