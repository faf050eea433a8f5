"""Regular expressions of pipeline.yaml, matched in a time that grows only with the text.

Python's own engine can need centuries for one text of a stranger. This one (Rust's, as Pydantic
brings it) has no look-around and no back-references for that.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator, core_schema


@lru_cache(maxsize=256)
def matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a whole text matches. Raises ValueError for what is no pattern."""
    _compiled(pattern)  # alone first: `a)|(b` becomes another pattern between our brackets
    return _compiled(rf"\A(?:{pattern})\z").isinstance_python


def _compiled(pattern: str) -> SchemaValidator:
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError as error:
        raise ValueError(_reason(error)) from error


def _reason(error: SchemaError) -> str:
    """The engine's last line; those before it draw the place, which one line can't hold."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if line.startswith("error:")), lines[-1])[:300]
