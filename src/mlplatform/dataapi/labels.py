"""Labels in: what turned out to be true, by request id and row.

What can't be a label is named in the answer and kept in quarantine.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from mlplatform.access import Caller, Role
from mlplatform.contracts.labels import LabelRefusal, LabelsResult
from mlplatform.contracts.pipeline import PipelineDefinition, Target
from mlplatform.dataapi.audit import AuditLog
from mlplatform.database import labels, ledger, pipelines, quarantine, raw_requests
from mlplatform.database.labels import Label
from mlplatform.database.ledger import Entry
from mlplatform.database.pools import PrimaryPool
from mlplatform.database.printable import printable
from mlplatform.database.raw_requests import Owner
from mlplatform.features.parse import EXACT

MAY = (Role.WRITER,)
CHUNK = 5_000
"""Labels per transaction: it holds the lock on the mark, which etl waits for."""
MOST_ROWS = 1_000_000
"""Row numbers above it are a mistake; the column is an integer."""
FIELDS = frozenset({"request_id", "row", "label", "pipeline"})


@dataclass(frozen=True)
class Unreadable:
    """An item that was not even JSON."""

    reason: str
    text: str


class _Fault(Exception):
    """Why an item is no label; never leaves this file."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field
        self.reason = reason


class Labels:
    """Handler of labels. Safe to share between threads."""

    def __init__(self, raw: PrimaryPool, warehouse: PrimaryPool, audit: AuditLog) -> None:
        self._raw = raw
        self._warehouse = warehouse
        self._audit = audit

    def add(self, caller: Caller, items: Sequence[Any], *, pipeline: str | None) -> LabelsResult:
        """Add labels.

        `pipeline` is meant where an item names none; it is needed only for requests that are not
        stored yet.
        """
        accepted = 0
        refused: list[LabelRefusal] = []
        subject = f"{pipeline}.labels" if pipeline else "labels"
        with self._audit.attempt(caller, "label", subject, roles=MAY, pipeline=None) as entry:
            definitions = self._definitions()
            for first in range(0, len(items), CHUNK):
                good, bad = self._chunk(
                    caller, definitions, items[first : first + CHUNK], first, pipeline
                )
                accepted += good
                refused += bad
            if not items:  # others are entered per pipeline, in the transactions of the labels
                entry.rows = 0
                entry.detail = {"refused": 0}
                self._audit.write(entry)
        return LabelsResult(accepted=accepted, refused=refused)

    def _definitions(self) -> dict[str, PipelineDefinition]:
        with self._warehouse.transaction() as connection:
            return {item.name: item.parsed() for item in pipelines.all_applied(connection)}

    def _chunk(
        self,
        caller: Caller,
        definitions: Mapping[str, PipelineDefinition],
        items: Sequence[Any],
        first: int,
        pipeline: str | None,
    ) -> tuple[int, list[LabelRefusal]]:
        with self._raw.transaction() as connection:
            owners = raw_requests.owners(
                connection, sorted({known for item in items if (known := _uuid(item)) is not None})
            )
        good: list[Label] = []
        refused: list[LabelRefusal] = []
        refusals: list[quarantine.Refusal] = []
        for index, item in enumerate(items, start=first):
            try:
                good.append(_label(caller, definitions, item, owners, pipeline))
            except _Fault as fault:
                refused.append(LabelRefusal(index=index, field=fault.field, reason=fault.reason))
                refusals.append(_refusal(caller, item, fault, owners, pipeline))
        self._write(caller, good, refusals)
        return len(good), refused

    def _write(
        self, caller: Caller, good: Sequence[Label], refusals: Sequence[quarantine.Refusal]
    ) -> None:
        with self._warehouse.transaction() as connection:
            quarantine.refuse(connection, refusals)
            for entry in _entries(caller, good, refusals):
                ledger.enter(connection, entry)
            labels.add_feedback(
                connection, good
            )  # last: it takes the mark, whose lock lasts until the commit


def _entries(
    caller: Caller, good: Sequence[Label], refusals: Sequence[quarantine.Refusal]
) -> list[Entry]:
    """One ledger entry per pipeline."""
    added, refused = (
        Counter(label.pipeline for label in good),
        Counter(item.pipeline for item in refusals),
    )
    return [
        Entry(
            caller.name,
            "label",
            f"{name}.labels" if name else "labels",
            rows=added[name],
            detail={"refused": refused[name]},
        )
        for name in sorted(added | refused)
    ]


def _uuid(item: Any) -> str | None:
    """The request id of an item in the form that the database gives, or None."""
    try:
        return str(UUID(item["request_id"]))
    except (TypeError, KeyError, ValueError, AttributeError):
        return None


def _label(
    caller: Caller,
    definitions: Mapping[str, PipelineDefinition],
    item: Any,
    owners: Mapping[str, Owner],
    given: str | None,
) -> Label:
    if isinstance(item, Unreadable):
        raise _Fault("", item.reason)
    if not isinstance(item, dict):
        raise _Fault("", "not an object with request_id, row and label")
    if unknown := sorted(set(item) - FIELDS):
        raise _Fault(unknown[0], "unknown field")
    request_id = _uuid(item)
    if request_id is None:
        raise _Fault("request_id", "not the id of a request (a UUID)")
    owner = owners.get(request_id)
    if owner is not None and not caller.may(
        MAY, owner.pipeline
    ):  # first: nothing of the request is told
        raise _Fault("request_id", f"'{caller.name}' may not label this request")
    row = _row(item.get("row", 0), owner)
    pipeline = _pipeline(item.get("pipeline", given), owner)
    if not caller.may(MAY, pipeline):
        raise _Fault("pipeline", f"'{caller.name}' may not label '{pipeline}'")
    if pipeline not in definitions:
        raise _Fault("pipeline", f"no pipeline '{pipeline}' was applied")
    if "label" not in item:
        raise _Fault("label", "missing")
    number, text = _value(item["label"], definitions[pipeline].target)
    return Label(pipeline, request_id, row, number, text)


def _row(row: Any, owner: Owner | None) -> int:
    if not isinstance(row, int) or isinstance(row, bool) or not 0 <= row < MOST_ROWS:
        raise _Fault("row", "not the number of a row (0 is the first)")
    if owner is not None and row >= owner.rows:
        raise _Fault("row", f"the request has {owner.rows} rows; the first is 0")
    return row


def _pipeline(given: Any, owner: Owner | None) -> str:
    if given is not None and not isinstance(given, str):
        raise _Fault("pipeline", "not a name")
    if owner is not None:
        if given is not None and given != owner.pipeline:
            raise _Fault("pipeline", f"the request belongs to '{owner.pipeline}'")
        return owner.pipeline
    if given is None:
        raise _Fault(
            "pipeline",
            "this request is not stored yet: name its pipeline, or send the label again later",
        )
    return given


def _value(value: Any, target: Target) -> tuple[float | None, str | None]:
    """Number and text of a label, one of them None."""
    if target.dtype == "string":
        if not isinstance(value, str):
            raise _Fault("label", f"'{target.name}' is a text")
        if target.values is not None and value not in target.values:
            raise _Fault("label", f"not one of {', '.join(target.values)}")
        if printable(value) != value:
            raise _Fault("label", "a text that the database can't store")
        if len(value.encode()) > labels.LONGEST:
            raise _Fault("label", f"longer than {labels.LONGEST} bytes")
        return None, value
    if target.dtype == "bool":
        if not isinstance(value, bool):
            raise _Fault("label", f"'{target.name}' is true or false")
        return float(value), None
    return _number(value, target), None


def _number(value: Any, target: Target) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Fault("label", f"'{target.name}' is a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _Fault("label", f"'{target.name}' is a number, and this one is too large")
    if target.dtype == "int64" and (
        number != value or not number.is_integer() or abs(number) > EXACT
    ):
        raise _Fault("label", f"'{target.name}' is a whole number of at most 2**53")
    return number


def _refusal(
    caller: Caller, item: Any, fault: _Fault, owners: Mapping[str, Owner], given: str | None
) -> quarantine.Refusal:
    """What is kept.

    Nobody fills the quarantine of a pipeline that he may not write to: such an item is nobody's.
    """
    request_id = _uuid(item)
    owner = owners.get(request_id or "")
    named = item.get("pipeline", given) if isinstance(item, dict) else given
    pipeline = owner.pipeline if owner else named if isinstance(named, str) else ""
    payload = {"line": item.text} if isinstance(item, Unreadable) else {"label": item}
    row = item.get("row", 0) if isinstance(item, dict) else None
    return quarantine.Refusal(
        pipeline if caller.may(MAY, pipeline) else "",
        f"label refused: {fault.reason}",
        payload,
        column=fault.field,
        request_id=request_id,
        row=row
        if isinstance(row, int) and not isinstance(row, bool) and abs(row) < MOST_ROWS
        else None,
    )
