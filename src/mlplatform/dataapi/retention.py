"""Retention: what is past its days is removed, but for what a receipt needs and what is held."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock

from mlplatform.access import Caller
from mlplatform.contracts.removed import Removed, RemoveRequest
from mlplatform.contracts.retention import Hold, RetentionPlan, TableSize
from mlplatform.contracts.retention_days import SHARED_KINDS
from mlplatform.dataapi import rights
from mlplatform.dataapi.audit import AuditLog
from mlplatform.dataapi.pools import Pools
from mlplatform.dataapi.removals import Removals
from mlplatform.dataapi.retention_days import Days
from mlplatform.database import pipelines, retention
from mlplatform.database.ledger import Entry
from mlplatform.errors import InvalidInput, Overloaded, Refused
from mlplatform.settings import RetentionSettings


class Retention:
    """Handler of the retention. Safe to share between threads."""

    def __init__(
        self,
        pools: Pools,
        audit: AuditLog,
        removals: Removals,
        settings: RetentionSettings,
    ) -> None:
        self._replicas = {**pools.raw_replicas, "warehouse": pools.warehouse_replica}
        self._further = pools.more_raw_replicas
        self._warehouse = pools.warehouse
        self._audit = audit
        self._removals = removals
        self._settings = settings
        self._removing = Lock()

    def plan(self, caller: Caller) -> RetentionPlan:
        """The steps of a run, in order, and the holds that stand."""
        with self._audit.viewing(
            caller, "retention", roles=rights.VIEW_RETENTION.roles, pipeline=None
        ):
            days = self._days()
            names = sorted({*days.applied, *self._removals.pipelines()})
            may = rights.VIEW_RETENTION.roles
            return days.plan([name for name in names if caller.may(may, name)])

    def sizes(self, caller: Caller) -> list[TableSize]:
        """What every table takes, the largest first; measured on the standbys.

        Tables of further raw servers are named with them.
        """
        found: list[TableSize] = []
        with self._audit.viewing(
            caller, "retention", roles=rights.VIEW_RETENTION.roles, pipeline=None
        ):
            for server, replica in self._replicas.items():
                prefix = f"{server}: " if server in self._further else ""
                with replica.read() as read:
                    sizes = retention.sizes(read.connection)
                found += [each.model_copy(update={"name": prefix + each.name}) for each in sizes]
        return sorted(found, key=lambda each: -each.size - each.indexes)

    def hold(self, caller: Caller, pipeline: str, why: str) -> Hold:
        """Put a pipeline under a legal hold. Raises UnknownName, Refused where one stands."""
        with self._audit.change(
            caller, "hold", pipeline, roles=rights.HOLD.roles, pipeline=pipeline
        ) as (entry, connection):
            entry.detail = {"why": why}
            pipelines.find(connection, pipeline, lock=True)
            made = retention.hold(connection, pipeline, why=why, by=caller.name)
            if made is None:
                raise Refused(f"'{pipeline}' is under a hold already", field="pipeline")
            return made

    def release(self, caller: Caller, pipeline: str, why: str) -> Hold:
        """End a legal hold. Raises Refused where none stands."""
        with self._audit.change(
            caller, "release", pipeline, roles=rights.HOLD.roles, pipeline=pipeline
        ) as (entry, connection):
            entry.detail = {"why": why}
            ended = retention.release(connection, pipeline)
            if ended is None:
                raise Refused(f"'{pipeline}' is under no hold", field="pipeline")
            return ended

    def remove(self, caller: Caller, request: RemoveRequest) -> Removed:
        """Remove some of what is past its days, of one kind; or only count it.

        Raises InvalidInput for a kind of one pipeline that is not named, and the reverse;
        Overloaded while another removal is at work.
        """
        kind, pipeline = request.kind, request.pipeline
        shared = kind in (*SHARED_KINDS, "requests")
        if shared and pipeline:
            raise InvalidInput(f"{kind} of all pipelines go together", field="pipeline")
        if not shared and not pipeline:
            raise InvalidInput(f"{kind} belong to one pipeline", field="pipeline", fix="name it")
        with self._entered(caller, request) as entry:
            days = self._days()
            held = "" if kind in ("requests", "logs") else days.held(pipeline)
            if held:  # of the requests, those of each pipeline are left out by themselves
                return Removed(kind=kind, pipeline=pipeline, held=held)
            done = self._removals.of(days, kind, pipeline, remove=not request.dry_run)
            entry.rows = done.items
            shown = {"rows", "size", "names", "by_pipeline"}
            entry.detail |= done.model_dump(mode="json", include=shown, exclude_defaults=True)
            return done

    @contextmanager
    def _entered(self, caller: Caller, request: RemoveRequest) -> Generator[Entry]:
        """A removal is entered before it begins, and when it has ended with what is gone."""
        right = rights.VIEW_RETENTION if request.dry_run else rights.REMOVE
        subject = ".".join(filter(None, (request.pipeline, request.kind)))
        if not self._removing.acquire(blocking=False):
            raise Overloaded("another removal is at work", retry_after_s=1.0)
        try:
            with self._audit.access(
                caller, right.action, subject, roles=right.roles, pipeline=request.pipeline
            ) as entry:
                if not request.dry_run:
                    self._audit.write(replace(entry, outcome="opened"))
                yield entry
        finally:
            self._removing.release()

    def _days(self) -> Days:
        with self._warehouse.transaction() as connection:
            return Days(connection, self._settings)
