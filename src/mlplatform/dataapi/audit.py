"""Access control and the ledger: the role check and the ledger entry of every access.

    change   of the warehouse: the entry is written in the transaction of the change
    access   to anything else: the entry is written after the block
    attempt  the block writes its own entries
    viewing  states, definitions and counts, which are not data: the route enters it

An access that is refused or fails is an entry of its own, with the error's class. What has no entry
when its request has been worked on gets one from its route (`routes.guard`): views, and refusals
before any handler was called.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager

from mlplatform.access import Caller, Role
from mlplatform.dataapi import act, run_tokens
from mlplatform.database import leases, ledger
from mlplatform.database.ledger import Entry
from mlplatform.database.pools import PrimaryPool
from mlplatform.database.sessions import Connection
from mlplatform.errors import PlatformError
from mlplatform.telemetry import logger

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
        """A change of the warehouse: one transaction for the block and its entry.

        Of a run it holds the lease meanwhile; raises Unauthenticated when that has ended.
        """
        with (
            self.attempt(caller, action, subject, roles=roles, pipeline=pipeline) as entry,
            self._warehouse.transaction() as connection,
        ):
            if caller.run and not leases.hold(connection, caller.run):
                raise run_tokens.ended()
            yield entry, connection
            self.enter(connection, entry)

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
        entry = Entry(caller.name, action, subject, run=caller.run)
        with self._noting_errors(entry):
            caller.require(roles, pipeline)
            yield entry

    @contextmanager
    def viewing(
        self, caller: Caller, subject: str, *, roles: Sequence[Role], pipeline: str | None
    ) -> Generator[None]:
        """Something that is not data: states, definitions, leases, reports of outboxes."""
        del subject
        caller.require(roles, pipeline)
        yield

    def write(self, entry: Entry) -> int:
        """Write an entry in a transaction of its own; returns its number."""
        with self._warehouse.transaction() as connection:
            return self.enter(connection, entry)

    @staticmethod
    def enter(connection: Connection, entry: Entry) -> int:
        """Write an entry in the transaction of `connection`; returns its number."""
        number = ledger.enter(connection, entry)
        act.entered(entry.outcome)
        return number

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
        except PlatformError as error:
            # The caller gets the first error; this one must not hide it. Its route tries later.
            _log.warning(
                "a refusal is not in the ledger yet",
                caller=entry.caller,
                subject=entry.subject,
                outcome=entry.outcome,
                error=str(error),
            )
