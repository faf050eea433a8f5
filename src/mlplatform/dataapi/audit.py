"""Access control and the ledger: the role check and the ledger entry of every access.

    change   of the warehouse: the entry is written in the transaction of the change
    access   to anything else: the entry is written after the block
    attempt  the block writes its own entries
    viewing  states and definitions, which are not data: no entry

An access that is refused or fails is an entry of its own, with the error's class; of `viewing` only
a refusal for want of a role is entered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from threading import Event, Lock, Thread

from mlplatform.access import Caller, Role
from mlplatform.database import ledger
from mlplatform.database.ledger import Entry
from mlplatform.database.pools import PrimaryPool
from mlplatform.database.sessions import Connection
from mlplatform.errors import PlatformError
from mlplatform.telemetry import logger

FLUSH_S = 1.0
"""How long refusals are gathered before they are written: one entry a second per caller and kind,
however often somebody tries."""

_log = logger("dataapi")


class AuditLog:
    """Opens accesses. Safe to share between threads.

    `pipeline` is the one that the caller must be allowed to touch; None for subjects that belong to
    none, or to several. What can't be entered fails (Unavailable): no access goes unrecorded.
    """

    def __init__(self, warehouse: PrimaryPool) -> None:
        self._warehouse = warehouse

    @contextmanager
    def change(
        self,
        caller: Caller,
        action: str,
        subject: str,
        *,
        roles: Sequence[Role],
        pipeline: str | None,
    ) -> Generator[tuple[Entry, Connection]]:
        """A change of the warehouse: one transaction for the block and its entry."""
        with (
            self.attempt(caller, action, subject, roles=roles, pipeline=pipeline) as entry,
            self._warehouse.transaction() as connection,
        ):
            yield entry, connection
            ledger.enter(connection, entry)

    @contextmanager
    def access(
        self,
        caller: Caller,
        action: str,
        subject: str,
        *,
        roles: Sequence[Role],
        pipeline: str | None,
    ) -> Generator[Entry]:
        """An access beside the warehouse's transactions: its entry is written after the block."""
        with self.attempt(caller, action, subject, roles=roles, pipeline=pipeline) as entry:
            yield entry
            self.write(entry)

    @contextmanager
    def attempt(
        self,
        caller: Caller,
        action: str,
        subject: str,
        *,
        roles: Sequence[Role],
        pipeline: str | None,
    ) -> Generator[Entry]:
        """An access whose block writes the entries of what went well; here only what did not."""
        entry = Entry(caller.name, action, subject)
        with self._noting_errors(entry):
            caller.require(roles, pipeline)
            yield entry

    @contextmanager
    def viewing(
        self, caller: Caller, subject: str, *, roles: Sequence[Role], pipeline: str | None
    ) -> Generator[None]:
        """Something that is not data: states, definitions, leases, reports of outboxes.

        Only a refusal for want of a role is entered, as the action `look`.
        """
        with self._noting_errors(Entry(caller.name, "look", subject)):
            caller.require(roles, pipeline)
        yield

    def write(self, entry: Entry) -> None:
        """Write an entry in a transaction of its own."""
        with self._warehouse.transaction() as connection:
            ledger.enter(connection, entry)

    @contextmanager
    def _noting_errors(self, entry: Entry) -> Generator[None]:
        try:
            yield
        except GeneratorExit:  # a stream whose reader went away
            entry.outcome = "cut"
            self._write_refusal(entry)
            raise
        except Exception as error:
            # Whatever was entered inside a transaction went with it, so the refusal is always an
            # entry of its own.
            entry.outcome = type(error).__name__
            if isinstance(error, PlatformError):
                entry.detail = {**entry.detail, "reason": error.message}
            self._write_refusal(entry)
            raise

    def _write_refusal(self, entry: Entry) -> None:
        try:
            self.write(entry)
        except PlatformError as error:  # the caller gets the first error; this one must not hide it
            _log.error(
                "a refusal is missing in the ledger",
                caller=entry.caller,
                subject=entry.subject,
                outcome=entry.outcome,
                error=str(error),
            )


class RefusalLog:
    """Enters what admission refuses, gathered: `note` never blocks, a thread writes once a second.

    Their action is `refused`; entries of earlier installations say `knock`.
    """

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit
        self._seen: Counter[tuple[str, str]] = Counter()
        self._paths: dict[tuple[str, str], str] = {}
        self._lock = Lock()
        self._ended = Event()
        self._thread = Thread(target=self._run, name="refusal-log", daemon=True)

    def note(self, caller: str, path: str, error: PlatformError) -> None:
        """Remember a refusal until the next flush."""
        key = (caller, type(error).__name__)
        with self._lock:
            self._seen[key] += 1
            self._paths.setdefault(key, path[:200])

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is left and end."""
        self._ended.set()
        self._thread.join()

    def flush(self) -> None:
        """Write what was gathered. What can't be written goes to the log."""
        with self._lock:
            seen, paths = self._seen, self._paths
            self._seen, self._paths = Counter(), {}
        for (caller, outcome), times in seen.items():
            detail = {"times": times, "path": paths[caller, outcome]}
            entry = Entry(caller, "refused", "dataapi", outcome=outcome, detail=detail)
            try:
                self._audit.write(entry)
            except Exception as error:  # noqa: BLE001  (one bad entry must not end the thread)
                _log.error(
                    "a refusal is missing in the ledger",
                    caller=caller,
                    outcome=outcome,
                    times=times,
                    error=str(error),
                )

    def _run(self) -> None:
        while not self._ended.wait(FLUSH_S):
            self.flush()
        self.flush()
