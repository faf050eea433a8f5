"""Stored records with their proof, for an auditor."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from mlplatform.access import Caller
from mlplatform.contracts.evidence import EvidenceSheet, ProvenOutbox, RecordsPage
from mlplatform.dataapi import rights, united_evidence
from mlplatform.dataapi.audit import AuditLog
from mlplatform.database import evidence
from mlplatform.database.pools import ReplicaPool
from mlplatform.errors import Forbidden

MAY = rights.READ_EVIDENCE.roles
ACTION = rights.READ_EVIDENCE.action


class StoredEvidence:
    """Handler of evidence. Safe to share between threads.

    An outbox holds the requests of all pipelines, so a caller needs all of them.
    """

    def __init__(self, raws: Mapping[str, ReplicaPool], audit: AuditLog) -> None:
        self._raws = raws
        self._audit = audit

    def sheet(
        self, caller: Caller, *, since: datetime | None, until: datetime | None
    ) -> EvidenceSheet:
        """The outboxes of a window of time."""
        with self._audit.access(caller, ACTION, "evidence", roles=MAY, pipeline=None) as entry:
            _require_all(caller)
            entry.detail = {
                name: moment.isoformat()
                for name, moment in (("since", since), ("until", until))
                if moment
            }
            found: dict[str, EvidenceSheet] = {}
            for shard, pool in self._raws.items():
                with pool.read() as read:
                    found[shard] = evidence.sheet(read.connection, since, until)
            more: list[ProvenOutbox] = []
            for shard, boxes in united_evidence.elsewhere(found).items():
                with self._raws[shard].read() as read:
                    more += evidence.known(read.connection, boxes)
        return united_evidence.sheet(list(found.values()), more)

    def records(self, caller: Caller, outbox_id: str, *, after: int, upto: int) -> RecordsPage:
        """A page of the records of an outbox, ascending."""
        with self._audit.access(caller, ACTION, "evidence", roles=MAY, pipeline=None) as entry:
            _require_all(caller)
            entry.detail = {"outbox_id": outbox_id, "after": after, "upto": upto}
            pages = []
            for pool in self._raws.values():
                with pool.read() as read:
                    pages.append(evidence.page(read.connection, outbox_id, after=after, upto=upto))
            found = united_evidence.page(pages)
            entry.rows = len(found.records)
        return found


def _require_all(caller: Caller) -> None:
    if "*" not in caller.pipelines:
        raise Forbidden(
            f"'{caller.name}' may not see all pipelines, and an outbox holds those of all",
            field="authorization",
            fix="an auditor's token needs pipelines: ['*']",
        )
