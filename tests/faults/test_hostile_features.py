"""features.py that never returns for one value, on the whole stack beside another pipeline."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from answers import answered, stored
from load import until
from whole import EVER, HOSTILE, Platform

from mlplatform.client import pipelines
from mlplatform.contracts.dataset import DatasetQuery
from mlplatform.errors import PlatformError, TryLater
from mlplatform.local.tour import traffic
from mlplatform.settings import SourceSettings
from mlplatform.source.checkout import checkout

HELD = 7919
WHERE = f"pipelines/{HOSTILE}/features.py"
Row = dict[str, Any]


def _history(numbers: range, **changes: Any) -> list[Row]:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [
        {"amount": float(n % 40), "children": n % 5, "paid": "yes" if n % 40 > 20 else "no"}
        | {"loan": f"loan-{n}", "asked_at": (begin + timedelta(hours=n)).isoformat()}
        for n in numbers
    ]
    return [row | changes for row in rows]


@pytest.fixture
def apply(platform: Platform) -> Callable[..., None]:
    """Apply the pipeline, with one text of its features.py replaced by another."""

    def change(before: str = "", after: str = "") -> None:
        source = platform.stack.options.source
        file = platform.folder / "pipelines" / HOSTILE / "features.py"
        file.write_text(file.read_text().replace(before, after) if before else file.read_text())
        code = checkout(SourceSettings(url=source, working_tree=True))
        pipelines.apply(platform.admin, code, HOSTILE)

    return change


def test_code_that_does_not_return_holds_nobody_else(
    platform: Platform, apply: Callable[..., None]
) -> None:
    """Its row goes to quarantine in etl, and gets 503 in serving; all others are served.

    Once mended code is applied, that row has features and an answer too.
    """
    apply()
    good = _history(range(200))
    traffic.import_rows(platform.admin, HOSTILE, good, key="good")
    platform.train("first version", name=HOSTILE)
    held = _history(range(200, 201), children=HELD)
    beside = [*_history(range(201, 202)), *held, *_history(range(202, 204))]
    traffic.import_rows(platform.admin, HOSTILE, beside, key="beside")
    given, refusal = _answers_beside_a_held_request(platform)
    until(lambda: platform.admin.quarantine(HOSTILE), "the row is in quarantine")
    wanted = {row["loan"]: row["children"] + 1.0 for row in [*good, *beside] if row not in held}
    until(lambda: _heads(platform) == wanted, "the other rows have features")
    (found,) = platform.admin.quarantine(HOSTILE)
    until(lambda: set(given) <= set(_stored(platform)), "all answers are stored")
    kept = _stored(platform)

    assert f"{WHERE}: took longer than 5 s for these rows" == found.reason
    assert f"{WHERE} took longer than 1 s for these rows" in str(refusal)
    assert given == {request: kept[request] for request in given}

    apply("while value == 7919", "while value == -1")
    every = {row["loan"]: row["children"] + 1.0 for row in [*good, *beside]}
    until(lambda: _heads(platform) == every, "the mended code made features of all rows")
    version = platform.train("mended code", name=HOSTILE)
    until(lambda: _predict(platform, HELD).version == version, "the mended code answers")


def _answers_beside_a_held_request(
    platform: Platform,
) -> tuple[dict[str, list[object]], PlatformError]:
    """What both pipelines answer while a request is held, and how that one is refused."""
    with ThreadPoolExecutor(3) as clients, platform.load() as load:
        until(lambda: _answers(platform), "the first version answers")
        refused = clients.submit(_refusal, platform)
        own = clients.submit(lambda: [_predict(platform, n % 5) for n in range(20)])
        other = clients.submit(answered, platform, 20)
        given = {answer.id: list(answer.predictions) for answer in own.result()}
        refusal = refused.result()

    assert [] == load.refused
    assert set(other.result()) <= set(stored(platform))
    return given, refusal


def _refusal(platform: Platform) -> PlatformError:
    with pytest.raises(TryLater) as caught:
        _predict(platform, HELD)
    return caught.value


def _predict(platform: Platform, children: int) -> Any:
    return platform.serving.predict(HOSTILE, [{"amount": 30.0, "children": children}])


def _answers(platform: Platform) -> bool:
    try:
        return bool(_predict(platform, 1).version)
    except PlatformError:  # it is not loaded yet
        return False


def _stored(platform: Platform) -> dict[str, list[object]]:
    try:
        return dict(traffic.stored(platform.admin, HOSTILE, EVER))
    except PlatformError:  # the standby is catching up; tried again
        return {}


def _heads(platform: Platform) -> dict[str, float]:
    """The feature of every imported row of the applied code, by the row's key."""
    try:
        found = platform.admin.dataset_rows(f"{HOSTILE}.features", DatasetQuery(since=EVER))
    except PlatformError:  # etl has not begun, or the standby is catching up; tried again
        return {}
    return {row["loan"]: row["heads"] for row in found.rows if row["loan"]}
