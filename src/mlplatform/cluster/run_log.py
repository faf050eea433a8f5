"""What the log of a training says: its events, and of a run that failed why it did."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Event = Mapping[str, Any]
_TAIL_BYTES = 64 * 1024
"""The last lines of a log: the error of a run is the last that it says."""


def event_of(line: bytes) -> Event:
    """A line as an event; one that is not JSON (a traceback) becomes one without a level."""
    text = line.decode(errors="replace").strip()
    try:
        document = json.loads(text)
    except ValueError:
        return {"event": text}
    return document if isinstance(document, dict) else {"event": text}


def more_telling(last: Event, event: Event) -> Event:
    """The newest error of the run; before there is one, its last event, say a traceback's line."""
    failed = event.get("level") in ("error", "critical")
    return event if failed or last.get("level") != "error" else last


def failure_of(event: Event) -> str:
    """What an event says of a failure; empty when it says nothing."""
    return str(event.get("error") or event.get("event") or "")


def failure_in(log: Path) -> str:
    """Why the run with that log failed, as far as the log says it."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            lines = file.read().splitlines()
    except OSError:
        return ""
    return _last(event_of(line) for line in lines if line.strip())


def _last(events: Iterable[Event]) -> str:
    last: Event = {}
    for event in events:
        last = more_telling(last, event)
    return failure_of(last)
