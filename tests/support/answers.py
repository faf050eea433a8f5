"""Answered requests and what became of them, row by row, on a running platform."""

from __future__ import annotations

import shutil
from pathlib import Path

from whole import EVER, NAME, Platform

from mlplatform.contracts.balance import OutboxBalance
from mlplatform.errors import PlatformError
from mlplatform.local.tour import traffic


def answered(platform: Platform, count: int) -> dict[str, list[object]]:
    """So many requests, one after the other: request id -> predictions."""
    found = [platform.serving.predict(NAME, [platform.row]) for _ in range(count)]
    return {answer.id: list(answer.predictions) for answer in found}


def stored(platform: Platform) -> dict[str, list[object]]:
    """What the database holds: request id -> predictions; nothing while the standby lags."""
    try:
        return dict(traffic.stored(platform.admin, NAME, EVER))
    except PlatformError:  # the standby is catching up; asked again
        return {}


def line(platform: Platform, outbox_id: str) -> OutboxBalance | None:
    """The balance of one outbox, if it can be had now."""
    try:
        lines = platform.admin.balance().outboxes
    except PlatformError:  # another one is being counted; asked again
        return None
    return next((each for each in lines if each.outbox_id == outbox_id), None)


def put(folder: Path, other: Path) -> None:
    """Let a folder hold what the other one holds."""
    shutil.rmtree(folder)
    shutil.copytree(other, folder)
