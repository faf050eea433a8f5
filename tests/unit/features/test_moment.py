"""Times of rows: one grammar, whatever Python's is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mlplatform.features.moment import moment

DAY = datetime(2025, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize("value", ["20250102", 20250102, 20250102.0])
def test_a_date_in_digits_is_refused_on_every_way_in(value: Any) -> None:
    """A text would be the second of January, a number some day in 1970: neither is guessed."""
    assert f"{value!r} may be a date or seconds since the epoch; write it as 2025-01-02" == moment(
        value
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1_735_776_000, DAY),
        (1_735_776_000.5, DAY + timedelta(seconds=0.5)),
        (20_251_399, datetime.fromtimestamp(20_251_399, UTC)),
        ("2025-01-02", DAY),
        ("20250102T00", DAY),
        ("2025-W01-4", DAY),
        ("2025W014", DAY),
        ("2025-01-01T24:00", DAY),
        ("2025-01-01t24:00:00.000z", DAY),
        ("2025-01-02T03:00:00.123456789Z", DAY.replace(hour=3, microsecond=123456)),
        ("2025-01-02 03:04:05,5", DAY.replace(hour=3, minute=4, second=5, microsecond=500_000)),
        ("2025-01-02T03:04+01", DAY.replace(hour=2, minute=4)),
        ("2025-01-02 03:04 -0130", DAY.replace(hour=4, minute=34)),
        ("20250102T030405+00:00:05", DAY.replace(hour=3, minute=4)),
    ],
)  # fmt: skip
def test_other_times_have_one_meaning(value: Any, expected: datetime) -> None:
    """Seconds that are no date, and ISO 8601 with small letters, 24:00, offsets and fractions."""
    assert expected == moment(value)


@pytest.mark.parametrize(
    "text",
    [
        "2025-01-02x03:00",
        "20250102912",
        "2025-01-02T03.5",
        "2025-01-02T24:01",
        "2025-01-02T25:00",
        "2025-01-02T03:00:60",
        "2025-01-02T03:00+24:00",
        "2025-01-02T03:00+01:60",
        "2025-01-02T03:00Zz",
        "2025-0102",
        "2025-01-02T",
        "2025-13-01",
        "2025-W54",
        "2025-002",
        "2025",
        "\u0662\u0660\u0662\u0665-01-02",
        " 2025-01-02",
        "2025-01-02\n",
        "noon",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    """Also what one version of Python takes and another doesn't."""
    assert f"{text!r} is not a time (ISO 8601 text or seconds since the epoch)" == moment(text)
