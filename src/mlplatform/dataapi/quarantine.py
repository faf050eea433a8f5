"""The quarantine: what broke its contract, and what people decide about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from mlplatform.access import Caller
from mlplatform.contracts.quarantine import (
    Dropped,
    DropRequest,
    QuarantineCount,
    Quarantined,
    QuarantineFilter,
    Redriven,
    RedriveRequest,
    Skipped,
    StateFilter,
)
from mlplatform.dataapi import rights
from mlplatform.dataapi.audit import AuditLog
from mlplatform.dataapi.rights import Right
from mlplatform.database import quarantine_entries
from mlplatform.database.ledger import Entry
from mlplatform.database.pools import PrimaryPool
from mlplatform.database.quarantine_entries import Selection
from mlplatform.database.sessions import Connection
from mlplatform.errors import InvalidInput, UnknownName

CHUNK = 10_000
"""Entries per transaction: it holds their locks, which etl waits for."""
Change = Callable[[Connection, Selection, int], list[int]]


class Quarantine:
    """Handler of the quarantine. Safe to share between threads."""

    def __init__(self, warehouse: PrimaryPool, audit: AuditLog) -> None:
        self._warehouse = warehouse
        self._audit = audit

    def page(
        self, caller: Caller, selection: Selection, *, before: int | None, limit: int
    ) -> Sequence[Quarantined]:
        """Entries, newest first; of all pipelines that the caller may touch, if none is named."""
        pipeline = _only(selection)
        with self._audit.access(
            caller,
            "read",
            _subject(pipeline),
            roles=rights.READ_QUARANTINE.roles,
            pipeline=pipeline,
        ) as entry:
            with self._warehouse.transaction() as connection:
                found = quarantine_entries.page(connection, selection, before=before, limit=limit)
            entry.rows = len(found)
        return found

    def counts(self, caller: Caller, selection: Selection) -> Sequence[QuarantineCount]:
        """Entries by reason."""
        pipeline = _only(selection)
        with (
            self._audit.viewing(
                caller, "quarantine", roles=rights.READ_QUARANTINE.roles, pipeline=pipeline
            ),
            self._warehouse.transaction() as connection,
        ):
            return quarantine_entries.counts(connection, selection)

    def entry(self, caller: Caller, number: int) -> Quarantined:
        """One entry. Raises UnknownName, also for those of pipelines that are not the caller's."""
        with self._audit.access(
            caller, "read", "quarantine", roles=rights.READ_QUARANTINE.roles, pipeline=None
        ) as entry:
            with self._warehouse.transaction() as connection:
                found = known(caller, connection, number)
            entry.subject, entry.rows = _subject(found.pipeline), 1
            entry.detail = {"id": number}
        return found

    def redrive(self, caller: Caller, request: RedriveRequest) -> Redriven:
        """Have etl try rows again: all that can be, or those named or meant by the filter.

        Says which of the named can't be. In transactions of CHUNK rows: when one fails, the earlier
        ones are done, and the same request goes on.
        """
        changed, skipped = self._decide(
            caller,
            rights.REDRIVE,
            request,
            lambda connection, chosen, after: quarantine_entries.redrive(
                connection, chosen, after=after, most=CHUNK
            ),
        )
        return Redriven(redriven=changed, skipped=skipped)

    def drop(self, caller: Caller, request: DropRequest) -> Dropped:
        """Give entries up: they stay, and are counted apart. As `redrive` in all else.

        Raises InvalidInput when neither ids nor a filter say which.
        """
        if request.ids is None and request.empty:
            raise InvalidInput(
                "a drop needs ids or a filter", field="ids", fix="say which entries are meant"
            )
        changed, skipped = self._decide(
            caller,
            rights.DROP,
            request,
            lambda connection, chosen, after: quarantine_entries.drop(
                connection, chosen, after=after, most=CHUNK, by=caller.name, why=request.why
            ),
        )
        return Dropped(dropped=changed, skipped=skipped)

    def _decide(
        self, caller: Caller, right: Right, request: RedriveRequest | DropRequest, change: Change
    ) -> tuple[int, list[Skipped]]:
        if request.pipeline is None and request.ids is None:
            raise InvalidInput("needed without ids", field="pipeline", fix="name the pipeline")
        chosen = selection(caller, request.pipeline, request, ids=request.ids)
        after, total, named = 0, 0, set(request.ids or ())
        while True:
            with self._change(caller, right, request.pipeline) as (entry, connection):
                entry.detail = _detail(request)
                if request.dry_run:
                    rows_only = isinstance(request, RedriveRequest)
                    entry.rows = 0
                    return quarantine_entries.count(connection, chosen, rows_only=rows_only), []
                changed = change(connection, chosen, after)
                named -= set(changed)
                entry.rows = len(changed)
                total += len(changed)
                if len(changed) < CHUNK:
                    why = quarantine_entries.why_not(connection, chosen.pipelines, sorted(named))
                    return total, [Skipped(id=id_, reason=reason) for id_, reason in why.items()]
            after = changed[-1]

    def _change(
        self, caller: Caller, right: Right, pipeline: str | None
    ) -> AbstractContextManager[tuple[Entry, Connection]]:
        subject = _subject(pipeline)
        return self._audit.change(
            caller, right.action, subject, roles=right.roles, pipeline=pipeline
        )


def selection(
    caller: Caller,
    pipeline: str | None,
    wanted: QuarantineFilter,
    *,
    state: StateFilter = "open",
    ids: Sequence[int] | None = None,
) -> Selection:
    """What the filter means, of a pipeline or (None) of all that the caller may touch."""
    mine = None if "*" in caller.pipelines else list(caller.pipelines)
    return Selection([pipeline] if pipeline else mine, wanted, state, ids)


def known(caller: Caller, connection: Connection, number: int) -> Quarantined:
    """An entry that the caller may know of. Raises UnknownName."""
    found = quarantine_entries.find(connection, number)
    if found is None or not ({"*", found.pipeline} & set(caller.pipelines)):
        raise UnknownName(
            f"no such entry of the quarantine: {number}",
            field="id",
            fix="`mlplatform quarantine list` shows their ids",
        )
    return found


def _only(selection: Selection) -> str | None:
    """The pipeline that is meant, None for several."""
    named = selection.pipelines or ()
    return named[0] if len(named) == 1 else None


def _subject(pipeline: str | None) -> str:
    return f"{pipeline}.quarantine" if pipeline else "quarantine"


def _detail(request: RedriveRequest | DropRequest) -> dict[str, Any]:
    """For the ledger: why, and what was meant."""
    return request.model_dump(mode="json", exclude_defaults=True, exclude={"pipeline"})
