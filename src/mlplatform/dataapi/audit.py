"""Who may, and who did: the role check and the ledger entry of every access, in one place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from threading import Event, Lock, Thread

from mlplatform.access import Caller, Role
from mlplatform.database import ledger
from mlplatform.database.ledger import Entry
from mlplatform.database.pools import PrimaryPool
from mlplatform.errors import PlatformError
from mlplatform.telemetry import logger

FLUSH_S = 1.0
"""How long refusals at the door are gathered: one entry a second per caller and kind, however hard somebody knocks."""

_log = logger("dataapi")


class AuditLog:
    """Opens accesses. Safe to share between threads."""

    def __init__(self, warehouse: PrimaryPool) -> None:
        self._warehouse = warehouse

    @contextmanager
    def access(
        self,
        caller: Caller,
        action: str,
        subject: str,
        *,
        roles: Sequence[Role],
        pipeline: str | None = None,
    ) -> Generator[Entry]:
        """One access to data. The block fills the entry; leaving it writes the entry, with the error's class when it was an error.

        An access whose entry can't be written fails (Unavailable): nobody touches data unseen.
        """
        entry = Entry(caller.name, action, subject)
        with self._noting_errors(entry):
            caller.require(roles, pipeline)
            yield entry
            if not entry.entered:
                self.write(entry)

    @contextmanager
    def viewing(
        self, caller: Caller, subject: str, *, roles: Sequence[Role], pipeline: str | None = None
    ) -> Generator[None]:
        """A look at something that is no data (states, definitions, progress): only what is refused for want of a role is entered."""
        entry = Entry(caller.name, "look", subject)
        with self._noting_errors(entry):
            caller.require(roles, pipeline)
        yield

    def write(self, entry: Entry) -> None:
        """Write an entry in a transaction of its own."""
        with self._warehouse.transaction() as connection:
            ledger.enter(connection, entry)
        entry.entered = True

    @contextmanager
    def _noting_errors(self, entry: Entry) -> Generator[None]:
        try:
            yield
        except GeneratorExit:  # a stream whose reader went away
            entry.outcome = "cut"
            if not entry.entered:
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
    """Enters what the door refuses, gathered: `note` never blocks, a thread writes once a second."""

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
            detail = {"times": times, "path": paths[(caller, outcome)]}
            try:
                self._audit.write(
                    Entry(caller, "refused", "dataapi", outcome=outcome, detail=detail)
                )
            except Exception as error:  # noqa: BLE001  (the thread must outlive whatever is wrong with one entry)
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
