"""Values of an Arrow batch as Python can hold them, and those that it can't, with the reason.

Arrow's times reach further than Python's, and its zones are any text. A value that can't be held is
never replaced by another one: its row is refused.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DAY_S = 86_400
_FIRST_S, _AFTER_S = -62_104_060_800, 253_370_764_800
"""The years 2 to 9998 in seconds since 1970: what Python holds in every zone. etl is stricter."""

Faults = dict[int, tuple[str, str]]
"""Row of the batch -> column and reason."""


def readable(batch: pa.RecordBatch) -> tuple[list[dict[str, Any]], Faults]:
    """The rows of a batch, and those of them that hold a value that can't be kept.

    Such a value stands in its row as Arrow writes it, for people to read.
    """
    names = batch.schema.names
    columns, faults = _columns(batch)
    if not names:
        return [{} for _ in range(batch.num_rows)], faults
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)], faults


def plain_columns(batch: pa.RecordBatch) -> dict[str, list[Any]] | None:
    """The values of a batch by column; None when some row can't be kept, or has no fields."""
    columns, faults = _columns(batch)
    if faults or not columns or not all(map(_kept, columns)):
        return None
    names = batch.schema.names
    if any("\0" in name for name in names):
        return None
    return dict(zip(names, columns, strict=True))


def _kept(values: list[Any]) -> bool:
    """Whether all values can stand in JSON and in PostgreSQL; see `record.row`."""
    kinds = set(map(type, values))
    if str in kinds and "\0" in "".join(value for value in values if isinstance(value, str)):
        return False
    return float not in kinds or not (math.inf in values or -math.inf in values)


def _columns(batch: pa.RecordBatch) -> tuple[list[list[Any]], Faults]:
    faults: Faults = {}
    columns = [
        _column(name, column, faults)
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return columns, faults


def _column(name: str, column: Any, faults: Faults) -> list[Any]:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _times(name, column, faults)
    if pa.types.is_decimal(kind):
        return [value if value is None else _number(value) for value in column.to_pylist()]
    if pa.types.is_float16(kind):  # which would become NumPy's numbers
        column = column.cast(pa.float32())
    values: list[Any] = column.to_pylist()
    return values


def _number(value: Decimal) -> int | float:
    """A decimal as JSON would hold it: whole numbers stay exact."""
    whole = value.to_integral_value()
    return int(whole) if whole == value else float(value)


def _times(name: str, column: Any, faults: Faults) -> list[Any]:
    kind = column.type
    zone = kind.tz if pa.types.is_timestamp(kind) else None
    if zone is not None and not _known(zone):
        reason = f"its time zone '{zone}' is unknown; send UTC or a name of the tz database"
        wrong = column.is_valid()
    else:
        reason = "its time is not between the years 1900 and 2200"
        wrong = _far(column)
    rows = [index for index, far in enumerate(wrong.to_pylist()) if far]
    for index in rows:
        faults.setdefault(index, (name, reason))
    kept: Any = column
    if rows:
        kept = pc.if_else(wrong, pa.scalar(None, kind), column)
    if pa.types.is_timestamp(kind):  # microseconds are what Python can hold
        known = zone if zone is None or _known(zone) else "UTC"
        kept = kept.cast(pa.timestamp("us", zone), safe=False).cast(pa.timestamp("us", known))
    values: list[Any] = kept.to_pylist()
    raw = _since_1970(column).to_pylist() if rows else []
    for index in rows:
        values[index] = f"{raw[index]} {_unit(kind)} since 1970"
    return values


def _far(column: Any) -> Any:
    """Which values are outside of Python's times; null where there is none."""
    kind = column.type
    if pa.types.is_date32(kind):
        first, after = _FIRST_S // _DAY_S, _AFTER_S // _DAY_S
    else:
        factor = _PER_SECOND["ms" if pa.types.is_date64(kind) else kind.unit]
        first, after = _FIRST_S * factor, _AFTER_S * factor
    numbers = _since_1970(column)
    # Nanoseconds in 64 bits end before Python's years do.
    least, most = max(first, -(2**63)), min(after, 2**63 - 1)
    return pc.or_(
        pc.less(numbers, pa.scalar(least, pa.int64())),
        pc.greater(numbers, pa.scalar(most, pa.int64())),
    )


def _since_1970(column: Any) -> Any:
    narrow = pa.types.is_date32(column.type)
    return column.cast(pa.int32() if narrow else pa.int64()).cast(pa.int64())


def _unit(kind: Any) -> str:
    return "days" if pa.types.is_date32(kind) else "ms" if pa.types.is_date64(kind) else kind.unit


def _known(zone: str) -> bool:
    try:
        pa.lib.string_to_tzinfo(zone)
    except (ValueError, KeyError, OSError):  # KeyError: zoneinfo's class for an unknown name
        return False
    return True
