"""Times of rows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from mlplatform.etl.annotations import moment


@pytest.mark.parametrize("value", ["20250102", 20250102, 20250102.0])
def test_a_date_in_digits_is_refused_on_every_way_in(value: Any) -> None:
    """A text would be the second of January, a number some day in 1970: neither is guessed."""
    assert f"{value!r} may be a date or seconds since the epoch; write it as 2025-01-02" == moment(
        value
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1_735_776_000, datetime(2025, 1, 2, tzinfo=UTC)),
        (20_251_399, datetime.fromtimestamp(20_251_399, UTC)),
        ("2025-01-02", datetime(2025, 1, 2, tzinfo=UTC)),
        ("20250102T00", datetime(2025, 1, 2, tzinfo=UTC)),
    ],
)
def test_other_times_have_one_meaning(value: Any, expected: datetime) -> None:
    """Seconds that are no date, and dates that are no number, go on."""
    assert expected == moment(value)
