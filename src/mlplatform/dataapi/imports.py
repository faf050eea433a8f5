"""Rows in: what can be read becomes raw requests, the rest goes to quarantine.

Nothing is dropped.

A body is read in chunks. Each chunk is one transaction that also records how far the import is, so
a retry with the same key continues after the last one, and a finished import gets its earlier
answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Literal

from pydantic import SecretStr

from mlplatform.access import Caller
from mlplatform.contracts.imports import ImportRefusal, ImportResult
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.contracts.request import new_request_id
from mlplatform.dataapi import rights
from mlplatform.dataapi.audit import AuditLog
from mlplatform.dataapi.rows import arrow, csv, ndjson
from mlplatform.dataapi.rows.chunk import Chunk, one_by_one
from mlplatform.dataapi.rows.record import Record
from mlplatform.dataapi.rows.redacted import RowRedaction
from mlplatform.database import imports, pipelines, quarantine
from mlplatform.database.imports import ImportState
from mlplatform.database.pools import PrimaryPool
from mlplatform.database.printable import printable
from mlplatform.errors import Refused, TryLater, UnknownName
from mlplatform.features.redact import Redactor, redactor

Kind = Literal["ndjson", "csv", "arrow"]
FIRST_REASONS = 10
"""Reasons in the answer: enough to see what is wrong; all of them are in the quarantine."""


@dataclass(frozen=True)
class Upload:
    """What was sent, whole and counted: a seekable file at its beginning."""

    file: BinaryIO
    kind: Kind
    sha256: str


class Imports:
    """Handler of imports. Safe to share between threads."""

    def __init__(
        self,
        raw: PrimaryPool,
        warehouse: PrimaryPool,
        audit: AuditLog,
        redaction_key: SecretStr | None = None,
    ) -> None:
        self._raw = raw
        self._warehouse = warehouse
        self._audit = audit
        self._redaction_key = redaction_key

    def redacts(self, dataset: str) -> bool:
        """Whether bodies for it may not even pass over a disk. Raises Unavailable."""
        with self._warehouse.transaction() as connection:
            applied = pipelines.get(connection, dataset.rpartition(".")[0])
        return applied is not None and bool(applied.definition.get("redact"))

    def run(self, caller: Caller, dataset: str, upload: Upload, *, key: str | None) -> ImportResult:
        """Bring in all records of `upload`.

        Raises Refused when `key` was used with another body, TryLater when it stops half way.
        """
        pipeline, _, kind = dataset.rpartition(".")
        with self._audit.access(
            caller, "write", dataset, roles=rights.ADD_ROWS.roles, pipeline=pipeline or dataset
        ) as entry:
            if kind != "requests":
                raise UnknownName(
                    f"rows can't be added to '{dataset}'",
                    field="name",
                    fix="add them to <pipeline>.requests",
                )
            definition, sent = self._definition(pipeline), key or new_request_id()
            rules = redactor(pipeline, definition.redact, self._redaction_key, stores=True)
            state = self._begin(pipeline, caller, _stored_names(sent, upload.sha256, rules))
            entry.detail = {"import": state.key}
            if not state.finished:
                chunks = _chunks(upload, definition, rules)
                state = self._all_chunks(caller, pipeline, chunks, state, sent=sent)
            entry.rows = state.accepted
            entry.detail["quarantined"] = state.quarantined
            return _answer(pipeline, state, sent)

    def _definition(self, pipeline: str) -> PipelineDefinition:
        with self._warehouse.transaction() as connection:
            return pipelines.find(connection, pipeline).parsed()

    def _begin(self, pipeline: str, caller: Caller, names: tuple[str, str]) -> ImportState:
        key, sha256 = names
        with self._raw.transaction() as connection:
            state = imports.begin(connection, pipeline, key, caller=caller.name, body_sha256=sha256)
        if state.body_sha256 != sha256:
            raise Refused(
                "this key was used with another body",
                field="Idempotency-Key",
                fix="take a new key for new rows",
            )
        return state

    def _all_chunks(
        self,
        caller: Caller,
        pipeline: str,
        chunks: Iterator[Chunk],
        state: ImportState,
        *,
        sent: str,
    ) -> ImportState:
        try:
            for chunk in chunks:
                if chunk.last > state.records:
                    self._refuse(pipeline, state.key, chunk.refused())
                    state = self._store(caller, pipeline, state.key, chunk)
            return self._finish(pipeline, state.key)
        except TryLater as error:
            error.message += f"; {state.records} records of this body are done"
            error.fix = f"send the same body again with the header 'Idempotency-Key: {sent}'"
            raise

    def _refuse(self, pipeline: str, key: str, records: Sequence[Record]) -> None:
        """Quarantine unreadable records, before the import moves past them.

        A retry may send them again; they are there already then.
        """
        refusals = [
            quarantine.Refusal(
                pipeline,
                record.reason,
                {"line": record.text, "import": key, "record": record.number},
                column=record.column,
            )
            for record in records
        ]
        if refusals:
            with self._warehouse.transaction() as connection:
                quarantine.refuse(connection, refusals)

    def _store(self, caller: Caller, pipeline: str, key: str, chunk: Chunk) -> ImportState:
        with self._raw.transaction() as connection:
            # Another request with this key may have brought some of the chunk in.
            state = imports.lock(connection, pipeline, key)
            if chunk.last <= state.records:
                return state
            ahead = chunk.after(state.records)
            refused = ahead.refused()
            last = imports.store(connection, pipeline, ahead.requests(), caller=caller.name)
            reasons = [*state.reasons, *map(_reason, refused)][:FIRST_REASONS]
            state = state.after(
                accepted=ahead.accepted(), quarantined=len(refused), reasons=reasons
            )
            state = replace(state, last_offset=state.last_offset if last is None else last)
            imports.advance(connection, pipeline, state)
        return state

    def _finish(self, pipeline: str, key: str) -> ImportState:
        with self._raw.transaction() as connection:
            state = replace(imports.lock(connection, pipeline, key), finished=True)
            imports.advance(connection, pipeline, state)
        return state


def _stored_names(key: str, sha256: str, rules: Redactor | None) -> tuple[str, str]:
    """The key and the digest of the body as they are stored.

    Both may be made of the values that are not: `mlplatform import` makes the key of the body.
    """
    return (key, sha256) if rules is None else (rules.digest(key), rules.digest(sha256))


def _chunks(
    upload: Upload, definition: PipelineDefinition, rules: Redactor | None
) -> Iterator[Chunk]:
    chunks = _read(upload, definition)
    return chunks if rules is None else RowRedaction(definition, rules).chunks(chunks)


def _read(upload: Upload, definition: PipelineDefinition) -> Iterator[Chunk]:
    if upload.kind == "ndjson":
        return one_by_one(ndjson.read(upload.file, definition))
    if upload.kind == "csv":
        return csv.chunks(upload.file, definition)
    return arrow.chunks(upload.file, definition)


def _reason(record: Record) -> dict[str, Any]:
    return {
        "record": record.number,
        "field": printable(record.column),
        "reason": printable(record.reason),
    }


def _answer(pipeline: str, state: ImportState, key: str) -> ImportResult:
    return ImportResult(
        key=key,
        accepted=state.accepted,
        quarantined=state.quarantined,
        first_reasons=[ImportRefusal.model_validate(reason) for reason in state.reasons],
        topic=imports.topic(pipeline),
        last_offset=state.last_offset,
    )
