"""One label as it was sent: checked and made ready to be stored, or refused with the reason."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from mlplatform.access import Caller
from mlplatform.contracts.pipeline import PipelineDefinition, Target
from mlplatform.dataapi import rights
from mlplatform.database import labels
from mlplatform.database.labels import Label
from mlplatform.database.printable import printable
from mlplatform.database.quarantine import Refusal
from mlplatform.database.raw_requests import Owner
from mlplatform.features.parse import EXACT
from mlplatform.features.redact import NOT_KEPT

MAY = rights.ADD_LABELS.roles
MOST_ROWS = 1_000_000
"""Row numbers above it are a mistake; the column is an integer."""
FIELDS = frozenset({"request_id", "row", "label", "pipeline"})


@dataclass(frozen=True)
class Unreadable:
    """An item that was not even JSON, or has a key twice."""

    reason: str
    text: str
    field: str = ""


class LabelFault(Exception):
    """Why an item is not a label."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field
        self.reason = reason


@dataclass(frozen=True)
class LabelCheck:
    """Checks items against what the caller may label, what was applied, and what is stored.

    `given` is the pipeline that is meant where an item names none.
    """

    caller: Caller
    definitions: Mapping[str, PipelineDefinition]
    owners: Mapping[str, Owner]
    given: str | None

    def label(self, item: Any) -> Label:
        """The label that an item is. Raises LabelFault."""
        request_id = _request_id(item)
        owner = self.owners.get(request_id)
        # First: whoever may not label a request learns nothing else of it.
        if owner is not None and not self.caller.may(MAY, owner.pipeline):
            raise LabelFault("request_id", f"'{self.caller.name}' may not label this request")
        row = _row(item.get("row", 0), owner)
        pipeline = _pipeline(item.get("pipeline", self.given), owner)
        if not self.caller.may(MAY, pipeline):
            raise LabelFault("pipeline", f"'{self.caller.name}' may not label '{pipeline}'")
        if pipeline not in self.definitions:
            raise LabelFault("pipeline", f"no pipeline '{pipeline}' was applied")
        if "label" not in item:
            raise LabelFault("label", "missing")
        number, text = label_value(item["label"], self.definitions[pipeline].target)
        return Label(pipeline, request_id, row, number, text)

    def refusal(self, item: Any, fault: LabelFault) -> Refusal:
        """What is kept of an item that is not a label.

        Only who may write to a pipeline fills its quarantine: other items belong to no pipeline.
        """
        request_id = known_id(item)
        owner = self.owners.get(request_id or "")
        named = item.get("pipeline", self.given) if isinstance(item, dict) else self.given
        pipeline = owner.pipeline if owner else named if isinstance(named, str) else ""
        row = item.get("row", 0) if isinstance(item, dict) else None
        storable = isinstance(row, int) and not isinstance(row, bool) and abs(row) < MOST_ROWS
        return Refusal(
            pipeline if self.caller.may(MAY, pipeline) else "",
            f"label refused: {fault.reason}",
            self._kept(item, pipeline),
            column=fault.field,
            request_id=request_id,
            row=row if storable else None,
        )

    def _kept(self, item: Any, pipeline: str) -> dict[str, Any]:
        """The item; where a pipeline redacts, as far as it can't hold what is redacted."""
        known = self.definitions.get(pipeline)
        concerned = self.definitions.values() if known is None else [known]
        if not any(definition.redact for definition in concerned):
            return {"line": item.text} if isinstance(item, Unreadable) else {"label": item}
        if not isinstance(item, dict):
            return {"line": NOT_KEPT}
        fields = {name: item[name] for name in sorted(FIELDS & item.keys())}
        return {
            "label": {
                name: NOT_KEPT if isinstance(value, list | dict) else value
                for name, value in fields.items()
            }
        }


def known_id(item: Any) -> str | None:
    """The request id of an item in the form that the database gives, or None."""
    try:
        return str(UUID(item["request_id"]))
    except (TypeError, KeyError, ValueError, AttributeError):
        return None


def _request_id(item: Any) -> str:
    if isinstance(item, Unreadable):
        raise LabelFault(item.field, item.reason)
    if not isinstance(item, dict):
        raise LabelFault("", "not an object with request_id, row and label")
    if unknown := sorted(set(item) - FIELDS):
        raise LabelFault(unknown[0], "unknown field")
    request_id = known_id(item)
    if request_id is None:
        raise LabelFault("request_id", "not the id of a request (a UUID)")
    return request_id


def _row(row: Any, owner: Owner | None) -> int:
    if isinstance(row, float) and row.is_integer():  # some clients have only floats
        row = int(row)
    if not isinstance(row, int) or isinstance(row, bool) or not 0 <= row < MOST_ROWS:
        raise LabelFault("row", "not the number of a row (0 is the first)")
    if owner is not None and row >= owner.rows:
        raise LabelFault("row", f"the request has {owner.rows} rows; the first is 0")
    return row


def _pipeline(given: Any, owner: Owner | None) -> str:
    if given is not None and not isinstance(given, str):
        raise LabelFault("pipeline", "not a name")
    if owner is not None:
        if given is not None and given != owner.pipeline:
            raise LabelFault("pipeline", f"the request belongs to '{owner.pipeline}'")
        return owner.pipeline
    if given is None:
        raise LabelFault(
            "pipeline",
            "this request is not stored yet: name its pipeline, or send the label again later",
        )
    return given


def label_value(value: Any, target: Target) -> tuple[float | None, str | None]:
    """Number and text of a label, one of them None. Raises LabelFault."""
    if target.dtype == "string":
        if not isinstance(value, str):
            raise LabelFault("label", f"'{target.name}' is a text")
        if target.lacks(value):
            raise LabelFault("label", "is empty")
        if target.values is not None and value not in target.values:
            raise LabelFault("label", f"not one of {', '.join(target.values)}")
        if printable(value) != value:
            raise LabelFault("label", "a text that the database can't store")
        if len(value.encode()) > labels.LONGEST:
            raise LabelFault("label", f"longer than {labels.LONGEST} bytes")
        return None, value
    if target.dtype == "bool":
        if not isinstance(value, bool):
            raise LabelFault("label", f"'{target.name}' is true or false")
        return float(value), None
    return _number(value, target), None


def _number(value: Any, target: Target) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise LabelFault("label", f"'{target.name}' is a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise LabelFault("label", f"'{target.name}' is a number, and this one is too large")
    if target.dtype == "int64" and (
        number != value
        or not number.is_integer()
        # A float of 2**53 may have been the next whole number, which it can't hold.
        or (abs(value) >= EXACT if isinstance(value, float) else abs(value) > EXACT)
    ):
        raise LabelFault("label", f"'{target.name}' is a whole number of at most 2**53")
    return number
