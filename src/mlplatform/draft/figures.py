"""Numbers and texts as a person would write them in YAML."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import numpy as np

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./-]+)*")
_OTHER_MEANING = frozenset(
    ("y", "n", "yes", "no", "true", "false", "on", "off", "null", "none", "nan", "inf")
)


def scalar(value: Any) -> str:
    """A value in YAML: texts in quotes where YAML would read something else."""
    if value is None:
        return "null"
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) and value.lower() not in _OTHER_MEANING
        return value if plain else json.dumps(value, ensure_ascii=False)
    return number(value)


def number(value: float) -> str:
    """A number that YAML 1.1 and 1.2 both read as this one."""
    if float(value).is_integer() and abs(value) < 1e15:
        return str(int(value))
    text = repr(float(value))
    # YAML 1.1 takes 1e-05 for a text: it wants a point.
    return text if "." in text or "e" not in text else text.replace("e", ".0e", 1)


def flow(pairs: dict[str, str]) -> str:
    """A mapping on one line."""
    return "{" + ", ".join(f"{key}: {text}" for key, text in pairs.items()) + "}"


def outward(value: float, *, up: bool) -> float:
    """The next number of two digits, upwards or downwards."""
    if value == 0 or not math.isfinite(value):
        return value
    digits = 1 - math.floor(math.log10(abs(value)))
    step = 10.0**-digits
    rounded = (math.ceil if up else math.floor)(round(value / step, 9)) * step
    return round(rounded, max(0, digits)) if digits > 0 else float(round(rounded))


def significant(value: float) -> float:
    """Four digits: what a person can read."""
    return float(f"{value:.4g}")
