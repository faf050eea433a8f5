"""Corrected fields of quarantined rows: checked, stored, and made a feature row by etl."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from mlplatform.access import Caller
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.contracts.quarantine import Corrected, CorrectRequest, Quarantined
from mlplatform.dataapi import rights
from mlplatform.dataapi.audit import AuditLog
from mlplatform.dataapi.quarantine import known
from mlplatform.dataapi.rows import corrected
from mlplatform.database import (
    corrections,
    feature_sets,
    pipelines,
    quarantine_entries,
    raw_lookups,
)
from mlplatform.database.pools import PrimaryPool
from mlplatform.database.raw_requests import RawRequest
from mlplatform.database.sessions import Connection
from mlplatform.errors import InvalidInput, Refused
from mlplatform.features.redact import Redactor, redactor


class Corrections:
    """Handler of corrections. Safe to share between threads."""

    def __init__(
        self,
        raws: Mapping[str, PrimaryPool],
        warehouse: PrimaryPool,
        audit: AuditLog,
        redaction_key: SecretStr | None = None,
    ) -> None:
        self._raws = raws
        self._warehouse = warehouse
        self._audit = audit
        self._redaction_key = redaction_key

    def correct(self, caller: Caller, number: int, request: CorrectRequest) -> Corrected:
        """Lay fields over the row of an entry, beside those that were corrected before.

        Raises UnknownName for an unknown entry, Refused for one that is not open or whose request
        is gone, InvalidInput for fields that the row can't have, and where it would still be
        refused.
        """
        with self._audit.change(
            caller, "correct", "quarantine", roles=rights.CORRECT.roles, pipeline=None
        ) as (entry, connection):
            pipeline = known(caller, connection, number).pipeline
            entry.subject = f"{pipeline}.quarantine"
            corrections.lock(connection, pipeline)
            found = known(caller, connection, number)  # as the batches before have left it
            place = _place(connection, caller, found)
            fields, by = self._checked(connection, found, place, request), caller.name
            ids = corrections.add(connection, pipeline, place, fields, by=by, why=request.why)
            if number not in ids:  # dropped in between
                raise _closed(connection, caller, number)
            # Not the values: the ledger outlives what must be forgotten.
            entry.columns, entry.rows = sorted({*request.fields, *request.texts}), 1
            which = {"id": number, "request_id": place[0], "row": place[1]}
            entry.detail = {**which, "why": request.why}
        return _answer(pipeline, place, fields, ids)

    def _checked(
        self,
        connection: Connection,
        found: Quarantined,
        place: tuple[str, int],
        request: CorrectRequest,
    ) -> Mapping[str, Any]:
        """All corrected fields of the row. Raises InvalidInput, Refused."""
        request_id, row = place
        raw = self._request(request_id)
        definition = _definition(connection, found)
        new = corrected.fields(definition, request, imported=raw.source == "import")
        rules = self._redactor(connection, found.pipeline, new)
        before = corrections.of_requests(connection, found.pipeline, [request_id])
        fields = {**before.get(request_id, {}).get(row, {}), **new}
        values = {**corrected.stored(raw, row), **fields}
        fault = corrected.fault(definition, values, imported=raw.source == "import")
        if fault is not None:
            # The reason holds the value, and the message goes into the ledger: see `correct`.
            raise InvalidInput(
                "the row would still be refused",
                field=fault.column,
                fix=f"{fault.reason}: correct that field as well",
            )
        return fields if rules is None else {**fields, **rules.row(new)}

    def _redactor(
        self, connection: Connection, pipeline: str, fields: Mapping[str, Any]
    ) -> Redactor | None:
        """By the definition that is applied now, whichever refused the row.

        Raises InvalidInput where it drops one of the fields.
        """
        definition = pipelines.find(connection, pipeline).parsed()
        rules = redactor(pipeline, definition.redact, self._redaction_key)
        if rules is not None and (dropped := sorted(rules.dropped & fields.keys())):
            problem = "the pipeline drops it, so there is nothing to correct"
            raise InvalidInput(problem, field=dropped[0])
        return rules

    def _request(self, request_id: str) -> RawRequest:
        found = raw_lookups.by_id(self._raws, [request_id])
        if request_id not in found:
            raise Refused("the request is not in the raw database any more")
        return found[request_id].item


def _answer(
    pipeline: str, place: tuple[str, int], fields: Mapping[str, Any], ids: Sequence[int]
) -> Corrected:
    request_id, row = place
    return Corrected(
        pipeline=pipeline,
        request_id=UUID(request_id),
        row=row,
        fields=dict(fields),
        redriven=len(ids),
    )


def _place(connection: Connection, caller: Caller, found: Quarantined) -> tuple[str, int]:
    """(request_id, row) of an open entry that is a row."""
    if found.kind != "row" or found.request_id is None or found.row is None:
        raise Refused(
            "it never became a row, so there is nothing to correct",
            field="id",
            fix="correct it and send it again",
        )
    if found.state != "open":
        raise _closed(connection, caller, found.id)
    return str(found.request_id), found.row


def _closed(connection: Connection, caller: Caller, number: int) -> Refused:
    """The error for an entry that is not open."""
    mine = None if "*" in caller.pipelines else list(caller.pipelines)
    return Refused(quarantine_entries.why_not(connection, mine, [number])[number], field="id")


def _definition(connection: Connection, found: Quarantined) -> PipelineDefinition:
    """The definition that refused the row."""
    assert found.digest is not None
    known_set = feature_sets.find(connection, found.pipeline, found.digest)
    return PipelineDefinition.parse(known_set.definition, where=f"definition of {found.pipeline}")
