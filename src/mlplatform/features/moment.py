"""Times of rows: ISO 8601 text or seconds since the epoch.

The grammar is our own: Python's changes from version to version (24:00, a small z), and takes any
letter between date and time.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

from mlplatform.features.fault import shown

FIRST, LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""Times outside are mistakes (milliseconds for seconds), which Arrow and pandas can't hold."""

_ISO = re.compile(
    r"""
    (?P<year>[0-9]{4})
    (?: (?P<dash>-?)(?P<month>[0-9]{2})(?P=dash)(?P<day>[0-9]{2})
      | (?P<hyphen>-?)W(?P<week>[0-9]{2})(?:(?P=hyphen)(?P<weekday>[1-7]))? )
    (?: [Tt\ ](?P<hour>[0-9]{2})
        (?: (?P<colon>:?)(?P<minute>[0-9]{2})
            (?: (?P=colon)(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]+))? )? )?
        (?P<zone>[Zz]|\ ?[+-][0-9]{2}(?::?[0-5][0-9](?::?[0-5][0-9])?)?)? )?
    """,
    re.VERBOSE,
)


def moment(value: Any) -> datetime | str:
    """The time of ISO 8601 text (UTC unless it says otherwise) or of seconds since the epoch.

    24:00 is the end of the day; digits below microseconds are cut. Text that says what is wrong
    when it is neither.
    """
    if _date_in_digits(value):
        return f"{shown(value)} may be a date or seconds since the epoch; write it as 2025-01-02"
    try:
        if isinstance(value, str):
            found = _read(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found = datetime.fromtimestamp(value, UTC)
        else:
            return f"{shown(value)} is neither ISO 8601 text nor seconds since the epoch"
    except (ValueError, OverflowError, OSError):
        return f"{shown(value)} is not a time (ISO 8601 text or seconds since the epoch)"
    return (
        found if FIRST <= found < LAST else f"{shown(value)} is not between the years 1900 and 2200"
    )


def _read(text: str) -> datetime:
    """Raises ValueError, OverflowError."""
    match = _ISO.fullmatch(text)
    if match is None:
        raise ValueError
    year, hour = int(match["year"]), int(match["hour"] or 0)
    if match["week"]:
        day = date.fromisocalendar(year, int(match["week"]), int(match["weekday"] or 1))
    else:
        day = date(year, int(match["month"]), int(match["day"]))
    micros = int((match["fraction"] or "")[:6].ljust(6, "0"))
    rest = (int(match["minute"] or 0), int(match["second"] or 0), micros)
    midnight = hour == 24 and rest == (0, 0, 0)
    read = datetime(day.year, day.month, day.day, 0 if midnight else hour, *rest, tzinfo=UTC)
    return read + timedelta(days=midnight) - _offset(match["zone"])


def _offset(zone: str | None) -> timedelta:
    if zone is None or zone in "Zz":
        return timedelta()
    zone = zone.lstrip(" ")
    digits = zone[1:].replace(":", "").ljust(6, "0")
    hours, minutes, seconds = (int(digits[at : at + 2]) for at in (0, 2, 4))
    if hours > 23:
        raise ValueError
    offset = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return -offset if zone[0] == "-" else offset


def _date_in_digits(value: Any) -> bool:
    """Whether a value may be meant as YYYYMMDD, which text and number would give two meanings."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value) if isinstance(value, str | int) else ""
    if len(text) != 8 or not (text.isascii() and text.isdigit()):
        return False
    try:
        return FIRST.year <= _read(text).year < LAST.year
    except ValueError:
        return False
