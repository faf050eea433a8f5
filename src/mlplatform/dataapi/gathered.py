"""Entries of the ledger that are summed up: refusals, and views, which processes repeat for ever.

No request waits for them, so a view needs no primary, and nobody can keep it busy by being refused.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Event, Lock, Thread

from mlplatform.dataapi.audit import AuditLog
from mlplatform.database.ledger import Entry
from mlplatform.errors import PlatformError, TryLater
from mlplatform.telemetry import logger

FLUSH_S = 1.0
"""The first of its kind is entered within it."""
REFUSED_AGAIN_S = 60.0
SEEN_AGAIN_S = 600.0
"""Its repetitions are one entry each so many seconds. Every serving process reports its outbox and
follows its models every two seconds: one by one, these would outweigh all other entries."""
MOST_KINDS = 2_000
"""Kinds kept at once. What is of another one by then is summed up without its subject."""
OTHERS = "…"

_log = logger("dataapi")
Kind = tuple[str, str, str, str, str]


@dataclass
class _Sum:
    entry: Entry
    since: datetime
    times: int = 0


class GatheredLog:
    """Safe to share between threads; `add` and `note` never block. `clock` gives seconds."""

    def __init__(self, audit: AuditLog, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._audit = audit
        self._clock = clock
        self._due: dict[Kind, _Sum] = {}
        self._written: dict[Kind, float] = {}
        self._lock = Lock()
        self._writing = Lock()
        self._ended = Event()
        self._thread = Thread(target=self._run, name="gathered-log", daemon=True)

    def note(self, caller: str, path: str, error: PlatformError) -> None:
        """Remember what was refused before it came to a route."""
        entry = Entry(caller, "refused", "dataapi", outcome=type(error).__name__)
        entry.detail = {"path": path[:200], "reason": error.message}
        self.add(entry)

    def add(self, entry: Entry, *, times: int = 1, since: datetime | None = None) -> None:
        """Remember an entry until the next flush; those of one kind are summed up."""
        kind = _kind(entry)
        with self._lock:
            if kind not in self._due and len(self._due) >= MOST_KINDS:
                entry = replace(entry, subject=OTHERS)
                kind = _kind(entry)
            found = self._due.setdefault(kind, _Sum(entry, since or datetime.now(UTC)))
            found.times += times

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is left and end."""
        self._ended.set()
        self._thread.join()

    def flush(self) -> None:
        """Write all that was gathered. What can't be written now stays for the next time."""
        with self._writing:
            self._write(self._taken(at_once=True))

    def _write(self, sums: list[_Sum]) -> None:
        for position, each in enumerate(sums):
            detail = {"times": each.times, "since": each.since.isoformat(timespec="seconds")}
            try:
                self._audit.write(replace(each.entry, detail=each.entry.detail | detail))
            except TryLater:  # the next one would wait as long
                for left in sums[position:]:
                    self.add(left.entry, times=left.times, since=left.since)
                return
            except Exception as error:  # noqa: BLE001  (one bad entry must not end the thread)
                _missing(each, str(error))
            else:
                self._written[_kind(each.entry)] = self._clock()

    def _taken(self, *, at_once: bool) -> list[_Sum]:
        now = self._clock()
        self._written = {
            kind: at for kind, at in self._written.items() if now - at < _again_s(kind)
        }
        with self._lock:
            due = [kind for kind in self._due if at_once or kind not in self._written]
            return [self._due.pop(kind) for kind in due]

    def _run(self) -> None:
        while not self._ended.wait(FLUSH_S):
            with self._writing:
                self._write(self._taken(at_once=False))
        self.flush()
        for lost in self._taken(at_once=True):
            _missing(lost, "the database was away until the end")


def _kind(entry: Entry) -> Kind:
    route = f"{entry.detail.get('route', '')} {entry.run}"
    return (entry.caller, entry.action, entry.subject, route, entry.outcome)


def _again_s(kind: Kind) -> float:
    return SEEN_AGAIN_S if kind[-1] == "ok" else REFUSED_AGAIN_S


def _missing(lost: _Sum, error: str) -> None:
    _log.error(
        "an entry is missing in the ledger",
        caller=lost.entry.caller,
        action=lost.entry.action,
        subject=lost.entry.subject,
        outcome=lost.entry.outcome,
        times=lost.times,
        error=error,
    )
