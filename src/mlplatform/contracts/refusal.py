"""The refusal of a document that people write, from what Pydantic found."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from mlplatform.errors import InvalidInput
from mlplatform.strict_yaml import YamlDocument, place

_FIXES = {
    "string_type": "a text that looks like something else needs quotes",
    "float_parsing": "write a number, such as 0.05 or 1e-2",
    "int_parsing": "write a whole number",
}


def inconsistent(problem: str, *path: str | int) -> PydanticCustomError:
    """To be raised by a validator of a whole record: what is wrong, and with which key of it."""
    return PydanticCustomError("inconsistent", "{problem}", {"problem": problem, "path": path})


def refusal(error: ValidationError, where: str | YamlDocument) -> InvalidInput:
    """An InvalidInput that names the key, and its line when `where` is the YAML document."""
    first = error.errors()[0]
    path = (*first["loc"], *first.get("ctx", {}).get("path", ()))
    key = ".".join(map(str, path))
    problem, fix = first["msg"], _FIXES.get(first["type"], "")
    if first["type"] == "model_type" and not key:
        problem = "is empty" if first["input"] is None else "is not a mapping of keys to values"
    return InvalidInput(f"{place(where, path)}: {key or 'document'}: {problem}", field=key, fix=fix)
