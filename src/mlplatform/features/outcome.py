"""What features.py returned, as arrays of our four types, or refused."""

from __future__ import annotations

import math
import re
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlplatform.contracts.columns import NAME, NUMPY, RESERVED, Columns, DType, Feature
from mlplatform.errors import FeaturesOverrun, InvalidInput

Engineer = Callable[[dict[str, NDArray[Any]]], Mapping[str, NDArray[Any]]]
_name = re.compile(NAME)
_KINDS: dict[str, DType] = {
    "f": "float64",
    "i": "int64",
    "u": "int64",
    "b": "bool",
    "U": "string",
    "O": "string",
    "T": "string",
}


def called(engineer: Engineer, columns: Columns, where: str) -> Mapping[str, NDArray[Any]]:
    """What engineer() makes of these columns, as it comes.

    Raises InvalidInput with file and line for whatever it raises; FeaturesOverrun.
    """
    # Views that can't be written: code that changes its input would change what other code sees of
    # the row.
    views = {name: array.view() for name, array in columns.items()}
    for view in views.values():
        view.flags.writeable = False
    try:
        # A division by zero shows in the result, which is checked; NumPy would warn on stderr.
        with np.errstate(all="ignore"):
            return engineer(views)
    except (FeaturesOverrun, InvalidInput):  # of `limited`, of `load_apart`
        raise
    except (Exception, SystemExit) as error:
        raise InvalidInput(f"{place(error, where)}: {type(error).__name__}: {error}") from error


def feature_types(found: Any, *, where: str) -> tuple[Feature, ...]:
    """Names and types of what engineer() returned, in its order.

    Raises InvalidInput for names and types that can't be features.
    """
    if not isinstance(found, Mapping) or not found:
        raise InvalidInput(
            f"{where}: engineer() must return a dict of arrays, not {type(found).__name__}"
        )
    features = []
    for name, array in found.items():
        if not isinstance(name, str) or not _name.match(name) or name in RESERVED:
            raise InvalidInput(f"{where}: '{name}' can't be the name of a feature", field=str(name))
        if not isinstance(array, np.ndarray) or array.dtype.kind not in _KINDS:
            is_array = isinstance(array, np.ndarray)
            kind = f"an array of {array.dtype}" if is_array else f"a {type(array).__name__}"
            raise InvalidInput(
                f"{where}: feature {name} is {kind}, "
                "not a NumPy array of numbers, strings or bools",
                field=name,
            )
        features.append(Feature(name=name, dtype=_KINDS[array.dtype.kind]))
    return tuple(features)


def normalised(found: Any, features: tuple[Feature, ...], *, rows: int, where: str) -> Columns:
    """The arrays as float64, int64, bool or object (str and None), in the order of `features`.

    Raises InvalidInput when names, types or lengths are not those, or a number is infinite. NaN is
    a null and passes.
    """
    names = [feature.name for feature in features]
    if not isinstance(found, Mapping) or list(found) != names:
        given = ", ".join(map(str, found)) if isinstance(found, Mapping) else type(found).__name__
        raise InvalidInput(
            f"{where}: engineer() gave {given}, and for other rows {', '.join(names)}"
        )
    return {feature.name: _one(found[feature.name], feature, rows, where) for feature in features}


def _one(array: Any, feature: Feature, rows: int, where: str) -> NDArray[Any]:
    if not isinstance(array, np.ndarray) or array.shape != (rows,):
        shape = getattr(array, "shape", type(array).__name__)
        raise InvalidInput(
            f"{where}: feature {feature.name} has shape {shape}, not ({rows},)", field=feature.name
        )
    if rows == 0:
        # np.array([]) of a list comprehension is float64, whatever its items would have been.
        return array.astype(NUMPY[feature.dtype])
    if _KINDS.get(array.dtype.kind) != feature.dtype:
        raise InvalidInput(
            f"{where}: feature {feature.name} is {array.dtype}, and for other rows {feature.dtype}",
            field=feature.name,
        )
    typed = array if array.dtype == NUMPY[feature.dtype] else array.astype(NUMPY[feature.dtype])
    if feature.dtype == "float64" and _any_infinite(typed):
        raise InvalidInput(f"{where}: feature {feature.name} is infinite", field=feature.name)
    if feature.dtype == "string":
        _only_strings(typed, feature, where)
    return typed


def has_infinite(found: Mapping[str, NDArray[Any]]) -> bool:
    """Whether a number is infinite: that is for the row to answer, whatever else is wrong."""
    return any(array.dtype.kind == "f" and np.isinf(array).any() for array in found.values())


def _any_infinite(array: NDArray[Any]) -> bool:
    """For the few rows of most requests Python's own test is several times faster than NumPy's."""
    return any(map(math.isinf, array.tolist())) if len(array) <= 16 else bool(np.isinf(array).any())


def _only_strings(array: NDArray[Any], feature: Feature, where: str) -> None:
    for value in array:
        if value is not None and type(value) is not str:
            raise InvalidInput(
                f"{where}: feature {feature.name} holds a {type(value).__name__}, not a string",
                field=feature.name,
            )


def differing(some: Columns, whole: Columns, part: slice) -> str:
    """The first feature whose values differ from that part of the whole table, or ''.

    Nulls equal each other; the last digits, in which vectorised and single computations may differ,
    don't count.
    """
    for name, values in some.items():
        others = whole[name][part]
        if values.dtype.kind == "f":
            # A feature of small numbers must not hide below the allowance for digits around 0.
            largest = float(np.max(np.abs(whole[name]), initial=0.0, where=~np.isnan(whole[name])))
            allowed = min(1e-12, 1e-6 * largest)
            same = np.allclose(values, others, rtol=1e-9, atol=allowed, equal_nan=True)
        else:
            same = values.tolist() == others.tolist()
        if not same:
            return name
    return ""


def place(error: BaseException, where: str) -> str:
    """File and line of features.py that the error came through."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == where
    ]
    return f"{where}, line {lines[-1]}" if lines else where
