"""Slow decoding: find what is wrong with a body, or decode what is right after all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

import msgspec

from mlplatform.contracts.columns import Column
from mlplatform.errors import InvalidInput
from mlplatform.features.fault import Fault, shown
from mlplatform.features.parse import to_columns
from mlplatform.strict_json import key_count, repeated_keys

UNDECODABLE = (msgspec.MsgspecError, ValueError, RecursionError)
"""What msgspec raises for bytes that a decoder rejects; UnicodeDecodeError is a ValueError."""
NUL = b"\\u0000"
"""How JSON writes the one character that Postgres can't store in text. As a raw control character
it is not JSON anyway."""
CLIENT_ID_CHARACTERS = 256


def has_nul(body: bytes) -> bool:
    """Whether a string in a JSON body may hold a NUL."""
    # A single byte is found many times faster than several, and hardly a body has a backslash.
    return b"\\" in body and NUL in body


def document(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`.

    Raises InvalidInput that says where it stops being one, or which key is there twice.
    """
    try:
        found = msgspec.json.decode(body)
        repeated = repeated_keys(body, key_count(found))
    except UnicodeDecodeError as error:
        raise InvalidInput("the body is not UTF-8", field="body") from error
    except RecursionError as error:
        raise InvalidInput("the body is nested too deeply", field="body") from error
    except ValueError as error:
        raise InvalidInput(f"the body is not JSON: {error}", field="body") from error
    if not isinstance(found, dict):
        raise InvalidInput("the body must be a JSON object", field="body")
    if repeated:
        raise InvalidInput(str(repeated[0]), field=_field(*repeated[0]))
    return found


def refuse_unknown(document: Mapping[str, Any], known: Iterable[str], what: str) -> None:
    """Raise InvalidInput for keys that are not `known`."""
    unknown = sorted(document.keys() - set(known))
    if unknown:
        raise InvalidInput(f"the {what} has unknown fields: {', '.join(unknown)}", field=unknown[0])


def columns(
    inputs: Mapping[str, Sequence[Any]], declared: Sequence[Column], where: str
) -> list[list[Any]]:
    """Columns of Python values in the declared order, nulls as None.

    `where` is the pattern of a fault's field, e.g. "rows[{row}].{column}". Raises InvalidInput for
    the first value that does not fit.
    """
    typed, faults = to_columns(inputs, declared)
    if faults:
        refuse(faults, where)
    return [_listed(typed[column.name].tolist(), column) for column in declared]


def refuse(faults: Sequence[Fault], where: str) -> NoReturn:
    """Raise InvalidInput for the first fault, with the number of the others."""
    first = min(faults, key=lambda fault: fault.row)
    others = f" (and {len(faults) - 1} more values)" if len(faults) > 1 else ""
    raise InvalidInput(f"{first}{others}", field=where.format(row=first.row, column=first.column))


def scalars(values: Sequence[Any], name: str, where: str, *, flags: bool = False) -> list[Any]:
    """Values of a key or time field: strings, numbers or null; with `flags` true and false too.

    Raises InvalidInput that names the row.
    """
    for row, value in enumerate(values):
        if not (_storable(value) or (flags and isinstance(value, bool))):
            reason = f"{shown(value)} is neither a number nor a string that can be stored"
            raise InvalidInput(
                f"row {row}, column {name}: {reason}", field=where.format(row=row, column=name)
            )
    return list(values)


def _field(place: Sequence[str | int], key: str) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in (*place, key))
    return "".join(parts).removeprefix(".")


def _storable(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return abs(value) < 2**63
    if isinstance(value, str):
        return "\0" not in value
    return value is None or isinstance(value, float)


def client_id(value: Any) -> str | None:
    """The client's own id.

    Raises InvalidInput when it is not a string that can be stored, or too long.
    """
    if value is None:
        return None
    if not isinstance(value, str) or "\0" in value:
        raise InvalidInput(f"{shown(value)} is not a string that can be stored", field="id")
    if len(value) > CLIENT_ID_CHARACTERS:
        raise InvalidInput(f"is longer than {CLIENT_ID_CHARACTERS} characters", field="id")
    return value


def _listed(values: list[Any], column: Column) -> list[Any]:
    """An array holds a null number as NaN, a request record as None."""
    if column.dtype != "float64":
        return values
    return [None if value != value else value for value in values]  # noqa: PLR0124  (NaN)
