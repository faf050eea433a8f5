"""The ledger, read."""

from __future__ import annotations

from collections.abc import Sequence

from mlplatform.access import Caller
from mlplatform.contracts.ledger import LedgerEntry
from mlplatform.dataapi import rights
from mlplatform.dataapi.audit import AuditLog
from mlplatform.dataapi.gathered import GatheredLog
from mlplatform.database import ledger
from mlplatform.database.pools import PrimaryPool


class Ledger:
    """Handler of the ledger, for admins. Safe to share between threads."""

    def __init__(self, warehouse: PrimaryPool, audit: AuditLog, gathered: GatheredLog) -> None:
        self._warehouse = warehouse
        self._audit = audit
        self._gathered = gathered

    def latest(self, caller: Caller, *, subject: str | None, limit: int) -> Sequence[LedgerEntry]:
        """The newest entries, newest first, with all that this process has gathered until now."""
        with self._audit.access(
            caller, "read", "ledger", roles=rights.READ_LEDGER.roles, pipeline=None
        ) as entry:
            self._gathered.flush()
            with self._warehouse.transaction() as connection:
                found = ledger.latest(connection, limit=limit, subject=subject)
            entry.rows = len(found)
        return found
