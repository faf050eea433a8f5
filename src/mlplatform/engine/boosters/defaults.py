"""What a booster must not leave to its library's defaults when a training builds it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from mlplatform.engine.boosters.found import READERS, boosters, package_of
from mlplatform.errors import InvalidInput

_QUIET = ("verbose", "verbosity", "silent", "logging_level", "verbose_eval")


def settle(estimator: Any) -> None:
    """Make the boosters of an unfitted estimator quiet, without files, and open to any labels.

    What the author has set stays.
    """
    for one in boosters(estimator):
        given, package = one.get_params(), package_of(one)
        if package == "catboost":
            # It would write its progress into the working directory, which may be read-only.
            if given.get("allow_writing_files") is None:
                one.set_params(allow_writing_files=False)
            if not any(name in given for name in _QUIET):
                one.set_params(verbose=False)
        elif package == "lightgbm" and not any(name in given for name in _QUIET):
            one.set_params(verbose=-1)
        elif f"{type(one).__module__}.{type(one).__name__}" == "xgboost.sklearn.XGBClassifier":
            labels = import_module("mlplatform.engine.boosters.xgboost_labels")
            one.__class__ = labels.LabelledXGBClassifier


def absent(error: Exception) -> InvalidInput | None:
    """The refusal where a booster's library is not installed, with the extra; else None."""
    name = str(getattr(error, "name", None)).split(".", maxsplit=1)[0]
    if not isinstance(error, ModuleNotFoundError) or name not in READERS:
        return None
    return InvalidInput(
        f"model.py imports {name}, which is not installed where trainings run",
        field="model.py",
        fix=f"install mlplatform[{name}]; of the image, build it with BOOSTERS={name}",
    )
